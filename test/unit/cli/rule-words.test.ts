import { beforeEach, describe, expect, test } from 'vitest';
import {
  isEgress,
  peerText,
  permissionOf,
  trafficOf,
  trafficText,
  type RuleWords,
} from '../../../src/cli/rule-words.ts';
import { createManagedPrefixList } from '../../../src/ec2/prefix-lists/create-managed-prefix-list.ts';
import type { SecurityGroup } from '../../../src/store/security-groups.ts';
import type { Vpc } from '../../../src/store/vpcs.ts';
import { networkLab } from '../../support/network-lab.ts';

const lab = networkLab();
let vpc: Vpc;
let web: SecurityGroup;
beforeEach(() => {
  vpc = lab.vpc('10.0.0.0/16', { isDefault: true });
  web = lab.group(vpc, 'web');
});

describe('words are traffic', () => {
  test.each<[RuleWords, object]>([
    [{ port: '80' }, { IpProtocol: 'tcp', FromPort: 80, ToPort: 80 }],
    [
      { proto: 'udp', port: '8000-8100' },
      { IpProtocol: 'udp', FromPort: 8000, ToPort: 8100 },
    ],
    [
      { proto: '6', port: '22' },
      { IpProtocol: 'tcp', FromPort: 22, ToPort: 22 },
    ],
    [{ proto: 'icmp' }, { IpProtocol: 'icmp', FromPort: -1, ToPort: -1 }],
    [
      { proto: 'icmp', type: 8 },
      { IpProtocol: 'icmp', FromPort: 8, ToPort: -1 },
    ],
    [
      { proto: '58', type: 1, code: 4 },
      { IpProtocol: 'icmpv6', FromPort: 1, ToPort: 4 },
    ],
    [{ proto: 'all' }, { IpProtocol: '-1' }],
    [{ proto: '-1' }, { IpProtocol: '-1' }],
    [{ proto: '47' }, { IpProtocol: '47' }],
  ])('%j is %j', (words, permission) => {
    expect(trafficOf(words)).toEqual(permission);
  });

  test.each<[RuleWords, string]>([
    [{}, 'a tcp rule needs a port'],
    [{ port: 'http' }, "'http' is not a port"],
    [{ proto: 'all', port: '1' }, 'a rule for all has no port'],
    [{ proto: 'icmp', port: '8' }, 'a rule for icmp has no port'],
    [{ port: '80', type: 8 }, 'a rule for tcp has no ICMP type'],
    [{ proto: 'icmp', code: 0 }, 'an ICMP code belongs to a type'],
  ])('%j is wrong usage', (words, message) => {
    expect(() => trafficOf(words)).toThrow(
      expect.objectContaining({ code: 'Usage', message: expect.stringContaining(message) }),
    );
  });
});

describe('the other end', () => {
  const peers = async (words: RuleWords) => {
    const { IpProtocol: _, ...rest } = await permissionOf(lab.ctx, vpc.vpcId, { proto: 'all', ...words });
    return rest;
  };

  test('is everywhere unless one is named, in the family of the protocol', async () => {
    expect(await peers({})).toEqual({ IpRanges: [{ CidrIp: '0.0.0.0/0' }] });
    expect(await peers({ proto: 'icmpv6' })).toMatchObject({ Ipv6Ranges: [{ CidrIpv6: '::/0' }] });
  });

  test('may be blocks, groups and prefix lists, each with the description', async () => {
    const { PrefixList } = createManagedPrefixList(lab.ctx, {
      PrefixListName: 'offices',
      AddressFamily: 'IPv4',
      MaxEntries: 1,
    });
    const PrefixListId = PrefixList?.PrefixListId;
    const Description = 'why';
    expect(await peers({ from: ['10.0.0.0/8', 'fd00::/8', 'web', 'offices'], description: 'why' })).toEqual({
      IpRanges: [{ CidrIp: '10.0.0.0/8', Description }],
      Ipv6Ranges: [{ CidrIpv6: 'fd00::/8', Description }],
      PrefixListIds: [{ PrefixListId, Description }],
      UserIdGroupPairs: [{ GroupId: web.groupId, Description }],
    });
    expect(await peers({ to: [String(PrefixListId)] })).toEqual({ PrefixListIds: [{ PrefixListId }] });
  });

  test('named by a group means the group of the same VPC', async () => {
    const other = lab.vpc('10.1.0.0/16');
    const there = lab.group(other, 'web');
    expect(await permissionOf(lab.ctx, other.vpcId, { proto: 'all', from: ['web'] })).toMatchObject({
      UserIdGroupPairs: [{ GroupId: there.groupId }],
    });
  });

  test('is never a bare address, nor a name of nothing', async () => {
    await expect(peers({ from: ['10.0.0.1'] })).rejects.toThrow(
      expect.objectContaining({ code: 'Usage', hint: '10.0.0.1/32' }),
    );
    await expect(peers({ from: ['fd00::1'] })).rejects.toThrow(
      expect.objectContaining({ code: 'Usage', hint: 'fd00::1/128' }),
    );
    await expect(peers({ from: ['nothing'] })).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidGroup.NotFound' }),
    );
  });
});

test.each<[RuleWords, boolean]>([
  [{}, false],
  [{ from: ['a'] }, false],
  [{ to: ['a'] }, true],
  [{ egress: true }, true],
  [{ egress: true, from: ['a'] }, true],
])('%j is about what leaves: %s', (words, egress) => {
  expect(isEgress(words)).toBe(egress);
});

test('a rule has one other end', () => {
  expect(() => isEgress({ from: ['a'], to: ['b'] })).toThrow(expect.objectContaining({ code: 'Usage' }));
});

test.each([
  [{ IpProtocol: '-1', FromPort: -1, ToPort: -1 }, 'everything'],
  [{ IpProtocol: 'tcp', FromPort: 80, ToPort: 80 }, 'tcp/80'],
  [{ IpProtocol: 'udp', FromPort: 1, ToPort: 2 }, 'udp/1-2'],
  [{ IpProtocol: 'icmp', FromPort: -1, ToPort: -1 }, 'icmp'],
  [{ IpProtocol: 'icmp', FromPort: 8, ToPort: -1 }, 'icmp type 8'],
  [{ IpProtocol: 'icmpv6', FromPort: 1, ToPort: 4 }, 'icmpv6 type 1 code 4'],
  [{ IpProtocol: '47', FromPort: -1, ToPort: -1 }, 'protocol 47'],
])('%j is shown as %s', (rule, text) => {
  expect(trafficText(rule)).toBe(text);
});

test.each([
  [{ CidrIpv4: '10.0.0.0/8' }, '10.0.0.0/8'],
  [{ CidrIpv6: '::/0' }, '::/0'],
  [{ PrefixListId: 'pl-1' }, 'pl-1'],
  [{ ReferencedGroupInfo: { GroupId: 'sg-1' } }, 'sg-1'],
  [{ ReferencedGroupInfo: { GroupId: 'sg-1', PeeringStatus: 'deleted' } }, 'sg-1 (gone)'],
])('%j is shown as %s', (rule, text) => {
  expect(peerText(rule)).toBe(text);
});
