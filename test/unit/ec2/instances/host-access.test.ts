import { expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import { isHostLetIn, requireHostLetIn } from '../../../../src/ec2/instances/host-access.ts';
import type { Instance } from '../../../../src/store/instances.ts';
import {
  prefixLists,
  securityGroups,
  type SecurityGroupRule,
} from '../../../../src/store/security-groups.ts';
import { networkLab } from '../../../support/network-lab.ts';

const lab = networkLab();

/** An instance in a group with these rules alone. */
function instanceWith(rules: readonly Partial<SecurityGroupRule>[]): Instance {
  const vpc = lab.vpc('10.0.0.0/16');
  const group = lab.group(vpc, 'own');
  securityGroups.update(lab.ctx.db, {
    ...group,
    rules: rules.map((rule) => ({
      securityGroupRuleId: newId('securityGroupRule'),
      isEgress: false,
      ipProtocol: 'tcp',
      fromPort: 22,
      toPort: 22,
      peer: { kind: 'ipv4', cidr: '0.0.0.0/0' },
      description: null,
      ...rule,
    })),
  });
  return lab.instance(lab.subnet(vpc, '10.0.1.0/24'), { securityGroupIds: [group.groupId] });
}

const ipv4 = (cidr: string) => ({ peer: { kind: 'ipv4' as const, cidr } });

test.each<[string, boolean, Partial<SecurityGroupRule>]>([
  ['from everywhere', true, {}],
  ['from the range of the uplinks', true, ipv4('169.254.96.0/20')],
  ['from a part of it', true, ipv4('169.254.96.4/30')],
  ['from another network', false, ipv4('192.168.0.0/16')],
  ['over IPv6', false, { peer: { kind: 'ipv6', cidr: '::/0' } }],
  ['all traffic', true, { ipProtocol: '-1', fromPort: null, toPort: null }],
  ['a range of ports', true, { fromPort: 20, toPort: 30 }],
  ['another port', false, { fromPort: 23, toPort: 80 }],
  ['another protocol', false, { ipProtocol: 'udp' }],
  ['pings', false, { ipProtocol: 'icmp', fromPort: -1, toPort: -1 }],
  ['the other direction', false, { isEgress: true }],
])('%s: %s', (_, expected, rule) => {
  expect(isHostLetIn(lab.ctx.db, instanceWith([rule]), 22)).toBe(expected);
});

test('by a prefix list, and not by a group, for this host is in none', () => {
  const prefixListId = newId('prefixList');
  prefixLists.insert(lab.ctx.db, {
    prefixListId,
    prefixListName: 'hosts',
    addressFamily: 'IPv4',
    maxEntries: 2,
    version: 1,
    entries: [
      { cidr: '10.9.0.0/16', description: null },
      { cidr: '169.254.0.0/16', description: null },
    ],
  });
  const { db } = lab.ctx;
  expect(isHostLetIn(db, instanceWith([{ peer: { kind: 'prefixList', prefixListId } }]), 22)).toBe(true);
  const other = lab.group(lab.vpc('10.1.0.0/16'), 'other');
  const peer = { kind: 'group' as const, groupId: other.groupId, vpcPeeringConnectionId: null };
  expect(isHostLetIn(db, instanceWith([{ peer }]), 22)).toBe(false);
});

test('a default group lets this host in, and what is refused names its group and what to type', () => {
  const vpc = lab.vpc('10.0.0.0/16');
  const instance = lab.instance(lab.subnet(vpc, '10.0.1.0/24'));
  expect(() => requireHostLetIn(lab.ctx.db, instance, 22)).not.toThrow();
  const groupId = lab.defaultGroup(vpc).groupId;
  expect(() => requireHostLetIn(lab.ctx.db, instance, 23)).toThrow(
    expect.objectContaining({
      code: 'ConnectionNotAllowed',
      message: `no security group of '${instance.instanceId}' lets this host connect to port 23`,
      hint: expect.stringContaining(`bonami sg authorize ${groupId} -p 23 --from 169.254.96.0/20`),
    }),
  );
});
