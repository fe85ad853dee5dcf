// A request's permissions as single rules: what is understood, canonical, or refused.
import type { IpPermission } from '@aws-sdk/client-ec2';
import { beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import {
  requestedRules,
  sameRule,
  type PermissionRequest,
  type RequestedRule,
} from '../../../../src/ec2/security-groups/requested-rules.ts';
import { prefixLists, type SecurityGroup } from '../../../../src/store/security-groups.ts';
import type { Vpc } from '../../../../src/store/vpcs.ts';
import { networkLab } from '../../../support/network-lab.ts';

const lab = networkLab();
let vpc: Vpc;
let other: Vpc;
let web: SecurityGroup;
let data: SecurityGroup;
let elsewhere: SecurityGroup;
beforeEach(() => {
  [vpc, other] = [lab.vpc('10.0.0.0/16'), lab.vpc('10.1.0.0/16')];
  [web, data, elsewhere] = [lab.group(vpc, 'web'), lab.group(vpc, 'data'), lab.group(other, 'elsewhere')];
});

const ANYWHERE = { IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
const SSH = { IpProtocol: 'tcp', FromPort: 22, ToPort: 22 };

const asked = (
  request: PermissionRequest,
  known: 'reachable' | 'whatever' = 'reachable',
): readonly RequestedRule[] => requestedRules(lab.ctx.db, web, request, { isEgress: false, known });
const request = (...permissions: IpPermission[]): readonly RequestedRule[] =>
  asked({ IpPermissions: permissions });

describe('the traffic of a rule', () => {
  test.each([
    [{ IpProtocol: 'tcp', FromPort: 22, ToPort: 22 }, 'tcp', 22, 22],
    [{ IpProtocol: 'TCP', FromPort: 22 }, 'tcp', 22, 22],
    [{ IpProtocol: '6', FromPort: 0, ToPort: 65_535 }, 'tcp', 0, 65_535],
    [{ IpProtocol: 'udp', FromPort: 1000, ToPort: 2000 }, 'udp', 1000, 2000],
    [{ IpProtocol: '17', FromPort: 53 }, 'udp', 53, 53],
    [{ IpProtocol: 'icmp', FromPort: -1, ToPort: -1 }, 'icmp', -1, -1],
    [{ IpProtocol: 'icmp' }, 'icmp', -1, -1],
    [{ IpProtocol: '1', FromPort: 8, ToPort: 0 }, 'icmp', 8, 0],
    [{ IpProtocol: 'icmp', FromPort: 255, ToPort: 255 }, 'icmp', 255, 255],
    [{ IpProtocol: 'icmp', FromPort: 3 }, 'icmp', 3, -1],
    [{ IpProtocol: 'icmpv6' }, 'icmpv6', -1, -1],
    [{ IpProtocol: '58', FromPort: 128, ToPort: 0 }, 'icmpv6', 128, 0],
    [{ IpProtocol: '50', FromPort: 0, ToPort: 0 }, '50', null, null],
    [{ IpProtocol: '0' }, '0', null, null],
    [{ IpProtocol: '255' }, '255', null, null],
    [{ IpProtocol: '047' }, '47', null, null],
    [{ IpProtocol: '-1', FromPort: 22, ToPort: 22 }, '-1', null, null],
    [{ IpProtocol: 'all' }, '-1', null, null],
  ])('%j is %s from %s to %s', (permission, ipProtocol, fromPort, toPort) => {
    expect(request({ ...permission, ...ANYWHERE })).toEqual([
      {
        isEgress: false,
        ipProtocol,
        fromPort,
        toPort,
        peer: { kind: 'ipv4', cidr: '0.0.0.0/0' },
        description: null,
      },
    ]);
  });

  test.each(['', 'sctp', '256', '-2', '1.5', '1e1', 'constructor', 'toString'])(
    "cannot have the protocol '%s', and the error names it",
    (protocol) => {
      expect(() => request({ IpProtocol: protocol, FromPort: 1, ToPort: 1, ...ANYWHERE })).toThrow(
        expect.objectContaining({
          code: 'InvalidParameterValue',
          message: `Invalid value '${protocol}' for IP protocol. Unknown protocol.`,
        }),
      );
    },
  );

  test.each([
    ['tcp', 23, 22, 'Invalid TCP/UDP port range (23:22)'],
    ['tcp', -1, 22, 'TCP/UDP port (-1) out of range'],
    ['tcp', -1, -1, 'TCP/UDP port (-1) out of range'],
    ['udp', 0, 65_536, 'TCP/UDP port (65536) out of range'],
    ['udp', 1.5, 2, 'TCP/UDP port (1.5) out of range'],
    ['icmp', -2, -1, 'ICMP type (-2) out of range'],
    ['icmp', 8, 256, 'ICMP code (256) out of range'],
    ['icmp', 0, 65_535, 'ICMP code (65535) out of range'],
    ['icmpv6', 256, -1, 'ICMP type (256) out of range'],
    ['icmp', -1, 0, 'ICMP code (0) must be -1 when ICMP type is -1'],
  ])('cannot be %s from %d to %d, and the error names them', (IpProtocol, FromPort, ToPort, message) => {
    expect(() => request({ IpProtocol, FromPort, ToPort, ...ANYWHERE })).toThrow(
      expect.objectContaining({ code: 'InvalidParameterValue', message }),
    );
  });

  test('needs ports, unless it is icmp', () => {
    expect(() => request({ IpProtocol: 'tcp', ...ANYWHERE })).toThrow(
      "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
    );
  });
});

describe('the other side of a rule', () => {
  test('is each block, list and group, with its description', () => {
    const prefixListId = newId('prefixList');
    prefixLists.insert(lab.ctx.db, {
      prefixListId,
      prefixListName: 'offices',
      addressFamily: 'IPv4',
      maxEntries: 1,
      version: 1,
      entries: [],
    });
    expect(
      request({
        ...SSH,
        IpRanges: [{ CidrIp: '10.0.0.0/8', Description: 'office' }, { CidrIp: '192.0.2.1/32' }],
        Ipv6Ranges: [{ CidrIpv6: 'fd00::/8', Description: 'six' }],
        PrefixListIds: [{ PrefixListId: prefixListId, Description: 'list' }],
        UserIdGroupPairs: [{ GroupId: data.groupId, Description: 'data' }],
      }).map(({ peer, description }) => ({ peer, description })),
    ).toEqual([
      { peer: { kind: 'ipv4', cidr: '10.0.0.0/8' }, description: 'office' },
      { peer: { kind: 'ipv4', cidr: '192.0.2.1/32' }, description: null },
      { peer: { kind: 'ipv6', cidr: 'fd00::/8' }, description: 'six' },
      { peer: { kind: 'prefixList', prefixListId }, description: 'list' },
      {
        peer: { kind: 'group', groupId: data.groupId, vpcPeeringConnectionId: null },
        description: 'data',
      },
    ]);
  });

  test.each([
    [{ IpRanges: [{ CidrIp: '10.1.2.3/8' }] }, '10.0.0.0/8'],
    [{ IpRanges: [{ CidrIp: '100.68.0.18/18' }] }, '100.68.0.0/18'],
    [{ IpRanges: [{ CidrIp: '1.2.3.4/0' }] }, '0.0.0.0/0'],
    [{ Ipv6Ranges: [{ CidrIpv6: '2001:DB8:0:0::1/64' }] }, '2001:db8::/64'],
    [{ Ipv6Ranges: [{ CidrIpv6: '0:0:0:0:0:0:0:0/0' }] }, '::/0'],
  ])('%j is kept as %s', (peers, cidr) => {
    expect(request({ ...SSH, ...peers }).map(({ peer }) => 'cidr' in peer && peer.cidr)).toEqual([cidr]);
  });

  test('may be a group by its name, and the group itself', () => {
    expect(
      request({ ...SSH, UserIdGroupPairs: [{ GroupName: 'data' }, { GroupName: 'web' }] }).map(({ peer }) =>
        peer.kind === 'group' ? peer.groupId : '',
      ),
    ).toEqual([data.groupId, web.groupId]);
  });

  test('of several permissions comes in their order', () => {
    expect(
      request({ ...SSH, ...ANYWHERE }, { IpProtocol: '-1', ...ANYWHERE }).map(({ ipProtocol }) => ipProtocol),
    ).toEqual(['tcp', '-1']);
  });

  test.each(['', '10.0.0.0', '10.0.0.0/33', '10.0.0/8', '::/0', '10.0.0.0/8/8', '10.0.0.0/ 8'])(
    "cannot be the IPv4 block '%s', which is named",
    (CidrIp) => {
      expect(() => request({ ...SSH, IpRanges: [{ CidrIp }] })).toThrow(
        expect.objectContaining({
          code: 'InvalidParameterValue',
          message: expect.stringContaining(`(${CidrIp})`),
        }),
      );
    },
  );

  test.each(['10.0.0.0/8', '::', '::/129', 'fe80::1%eth0/64'])(
    "cannot be the IPv6 block '%s', which is named",
    (CidrIpv6) => {
      expect(() => request({ ...SSH, Ipv6Ranges: [{ CidrIpv6 }] })).toThrow(
        expect.objectContaining({
          code: 'InvalidParameterValue',
          message: expect.stringContaining(`(${CidrIpv6})`),
        }),
      );
    },
  );

  test.each([
    ['nothing', { GroupName: 'nothing' }],
    ['elsewhere', { GroupName: 'elsewhere' }],
    ['sg-00000000000000000', { GroupId: 'sg-00000000000000000' }],
  ])("cannot be the group '%s', which this VPC does not have", (reference, pair) => {
    expect(() => request({ ...SSH, UserIdGroupPairs: [pair] })).toThrow(
      expect.objectContaining({
        code: 'InvalidGroup.NotFound',
        message: expect.stringContaining(`The security group '${reference}' does not exist`),
        hint: 'bonami sg ls',
      }),
    );
  });

  test.each([
    [{}, 'MissingParameter'],
    [{ GroupId: 'web' }, 'InvalidGroupId.Malformed'],
    [{ GroupId: 'sg-1' }, 'InvalidGroupId.Malformed'],
  ])('cannot be the group %j', (pair, code) => {
    expect(() => request({ ...SSH, UserIdGroupPairs: [pair] })).toThrow(expect.objectContaining({ code }));
  });

  test('cannot be a prefix list that there is not', () => {
    expect(() => request({ ...SSH, PrefixListIds: [{ PrefixListId: 'pl-0123456789abcdef0' }] })).toThrow(
      expect.objectContaining({ code: 'InvalidPrefixListID.NotFound' }),
    );
  });

  test('must be there', () => {
    expect(() => request(SSH)).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: 'A rule needs a CIDR block, a group or a prefix list',
        hint: '--from 0.0.0.0/0',
      }),
    );
  });

  test.each(['a'.repeat(256), 'with "quotes"', 'ümlaut', 'two\nlines'])(
    'cannot be described as %j',
    (Description) => {
      expect(() => request({ ...SSH, IpRanges: [{ CidrIp: '0.0.0.0/0', Description }] })).toThrow(
        expect.objectContaining({
          code: 'InvalidParameterValue',
          message: expect.stringContaining('Invalid rule description'),
        }),
      );
    },
  );

  test('may be described with every character that EC2 takes', () => {
    const Description = 'aZ09. _-:/()#,@[]+=&;{}!$*'.padEnd(255, 'x');
    expect(request({ ...SSH, IpRanges: [{ CidrIp: '0.0.0.0/0', Description }] })[0]?.description).toBe(
      Description,
    );
  });
});

describe('a group of another VPC', () => {
  const across = (pair: object = {}): IpPermission => ({
    ...SSH,
    UserIdGroupPairs: [{ GroupId: elsewhere.groupId, ...pair }],
  });

  test('needs a peering', () => {
    expect(() => request(across())).toThrow(
      expect.objectContaining({
        code: 'InvalidGroup.NotFound',
        message: 'You have specified two resources that belong to different networks.',
        hint: `bonami peering create ${vpc.vpcId} ${other.vpcId}`,
      }),
    );
  });

  test('needs one that is accepted', () => {
    lab.peering(vpc, other, 'pending-acceptance');
    expect(() => request(across())).toThrow(expect.objectContaining({ code: 'InvalidGroup.NotFound' }));
  });

  test.each(['requester', 'accepter'])('is found by its id from the %s side', (side) => {
    const id = side === 'requester' ? lab.peering(vpc, other) : lab.peering(other, vpc);
    expect(request(across())[0]?.peer).toEqual({
      kind: 'group',
      groupId: elsewhere.groupId,
      vpcPeeringConnectionId: id,
    });
    expect(request(across({ VpcPeeringConnectionId: id, VpcId: other.vpcId }))).toHaveLength(1);
  });

  test('cannot be named with a peering that leads elsewhere', () => {
    lab.peering(vpc, other);
    expect(() => request(across({ VpcPeeringConnectionId: 'pcx-0123456789abcdef0' }))).toThrow(
      expect.objectContaining({ code: 'InvalidVpcPeeringConnectionID.NotFound' }),
    );
  });

  test('need not be there any more for a rule that is taken back', () => {
    const gone = { ...SSH, UserIdGroupPairs: [{ GroupId: 'sg-0123456789abcdef0' }] };
    expect(asked({ IpPermissions: [gone] }, 'whatever')).toHaveLength(1);
    expect(asked({ IpPermissions: [across()] }, 'whatever')).toHaveLength(1);
  });
});

describe('a request', () => {
  test('without permissions is an error', () => {
    expect(() => request()).toThrow(
      expect.objectContaining({
        code: 'MissingParameter',
        message: expect.stringContaining('ipPermissions'),
      }),
    );
  });

  test('may name one rule by EC2’s older parameters', () => {
    expect(asked({ ...SSH, CidrIp: '10.0.0.0/8' })).toEqual(
      request({ ...SSH, IpRanges: [{ CidrIp: '10.0.0.0/8' }] }),
    );
    expect(asked({ SourceSecurityGroupName: 'data' })).toEqual(
      request({ IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: data.groupId }] }),
    );
  });

  test('cannot do both', () => {
    expect(() => asked({ IpPermissions: [{ ...SSH, ...ANYWHERE }], CidrIp: '10.0.0.0/8' })).toThrow(
      expect.objectContaining({ code: 'InvalidParameterCombination' }),
    );
  });

  test.each([
    [[{ ...SSH, IpRanges: [{ CidrIp: '10.0.0.0/8' }, { CidrIp: '10.1.1.1/8', Description: 'x' }] }]],
    [
      [
        { IpProtocol: '-1', ...ANYWHERE },
        { IpProtocol: '-1', FromPort: 0, ToPort: 0, ...ANYWHERE },
      ],
    ],
  ])('cannot say the same twice: %j', (permissions) => {
    expect(() => request(...permissions)).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: 'The same permission must not appear multiple times',
      }),
    );
  });
});

describe('two rules', () => {
  const rule: RequestedRule = {
    isEgress: false,
    ipProtocol: 'tcp',
    fromPort: 1,
    toPort: 2,
    peer: { kind: 'ipv4', cidr: '10.0.0.0/8' },
    description: 'a',
  };

  test('are the same whatever their descriptions are', () => {
    expect(sameRule(rule, { ...rule, description: null })).toBe(true);
  });

  test('are the same by whatever peering their group is reached', () => {
    const peer = { kind: 'group', groupId: 'sg-0123456789abcdef0' } as const;
    expect(
      sameRule(
        { ...rule, peer: { ...peer, vpcPeeringConnectionId: null } },
        { ...rule, peer: { ...peer, vpcPeeringConnectionId: 'pcx-0123456789abcdef0' } },
      ),
    ).toBe(true);
  });

  test.each([
    { isEgress: true },
    { ipProtocol: 'udp' },
    { fromPort: 0 },
    { toPort: 3 },
    { peer: { kind: 'ipv4', cidr: '10.0.0.0/9' } },
  ] as const)('differ by %j', (change) => {
    expect(sameRule(rule, { ...rule, ...change })).toBe(false);
  });
});
