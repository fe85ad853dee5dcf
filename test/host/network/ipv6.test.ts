// IPv6 as EC2 has it: an address by DHCPv6 and a router by advertisement, judged by the same groups and lists.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SecurityGroupId, VpcId } from '../../../src/core/ids.ts';
import { createNetworkAcl } from '../../../src/ec2/network-acls/create-network-acl.ts';
import { createNetworkAclEntry } from '../../../src/ec2/network-acls/create-network-acl-entry.ts';
import { replaceNetworkAclAssociation } from '../../../src/ec2/network-acls/replace-network-acl-association.ts';
import { assignIpv6Addresses } from '../../../src/ec2/network-interfaces/assign-ipv6-addresses.ts';
import { unassignIpv6Addresses } from '../../../src/ec2/network-interfaces/unassign-ipv6-addresses.ts';
import { authorizeSecurityGroupIngress } from '../../../src/ec2/security-groups/authorize-security-group-ingress.ts';
import { createSecurityGroup } from '../../../src/ec2/security-groups/create-security-group.ts';
import { acceptVpcPeeringConnection } from '../../../src/ec2/vpc-peering-connections/accept-vpc-peering-connection.ts';
import { createVpcPeeringConnection } from '../../../src/ec2/vpc-peering-connections/create-vpc-peering-connection.ts';
import { tool } from '../../support/guest-tool.ts';
import type { Subnet } from '../../../src/store/vpcs.ts';
import type { Guest } from '../../support/guest.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { World } from '../../support/world.ts';

type Permissions = NonNullable<Parameters<typeof authorizeSecurityGroupIngress>[1]['IpPermissions']>;

let before: Snapshot;
let world: World;
let vpc: VpcId;
let left: Subnet;
let right: Subnet;
let a: Guest;
let b: Guest;
let c: Guest;
/** Of b and c; empty at first. */
let group: SecurityGroupId;
let groupOfA: SecurityGroupId;

beforeAll(async () => {
  before = await snapshot();
  world = new World();
  vpc = await world.vpc('10.97.0.0/16', { ipv6: true, internet: true });
  left = await world.subnet(vpc, '10.97.1.0/24', block(vpc, 1));
  right = await world.subnet(vpc, '10.97.2.0/24', block(vpc, 2));
  groupOfA = await emptyGroup(vpc, 'asking');
  group = await emptyGroup(vpc, 'asked');
  a = await world.boot({ subnet: left, groups: [groupOfA], ipv6: at(left, 10) });
  b = await world.boot({ subnet: left, groups: [group], ipv6: at(left, 11) });
  c = await world.boot({ subnet: right, groups: [group], ipv6: at(right, 10) });
  for (const guest of [a, b, c]) await guest.configure6();
  for (const guest of [b, c]) {
    await guest.starts('serve', '22');
    await guest.starts('serve', '80');
  }
});
afterAll(async () => {
  await World.closeAll();
  await expectNoLeaks(before);
});

/** One of the VPC's blocks for subnets. */
function block(vpcId: VpcId, index: number): string {
  return (world.record(vpcId).ipv6?.cidrBlock ?? '').replace(/00::\/56$/, `0${index}::/64`);
}

function at({ ipv6 }: Subnet, host: number): string {
  return `${ipv6?.cidrBlock.split('/')[0]}${host}`;
}

async function emptyGroup(vpcId: VpcId, name: string): Promise<SecurityGroupId> {
  const names = { GroupName: name, Description: name, VpcId: vpcId };
  return (await createSecurityGroup(world.ctx, names)).GroupId as SecurityGroupId;
}

async function allow(groupId: SecurityGroupId, ...permissions: Permissions): Promise<void> {
  await authorizeSecurityGroupIngress(world.ctx, { GroupId: groupId, IpPermissions: permissions });
}

describe('a booting machine', () => {
  test('is told by the router that addresses come by DHCPv6 only and that nobody else is on the link', async () => {
    const advertised = (await a.does('ask-for-router')) as {
      readonly lifetime: number;
      readonly from: string;
    };
    expect(advertised).toMatchObject({
      managed: true,
      prefixes: [{ prefix: left.ipv6?.cidrBlock, onLink: false, automatic: false }],
    });
    expect(advertised.from).toMatch(/^fe80::/);
    expect(advertised.lifetime).toBeGreaterThan(0);
  });

  test('gets its recorded address, and a name server that answers', async () => {
    for (const guest of [a, b, c]) {
      const lease = (await guest.does('dhcp6')) as { readonly resolvers: readonly string[] };
      expect(lease).toMatchObject({ kind: 7, address: guest.interface.ipv6Addresses[0] });
      for (const resolver of lease.resolvers)
        expect(await guest.does('scan', resolver, 'udp', '53')).toEqual({ 53: 'open' });
    }
  });

  test('without an address on record gets none, until there is one', async () => {
    const guest = await world.boot({ subnet: left, groups: [group] });
    guest.run('sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=0');
    expect(await guest.does('dhcp6')).toBe(null);
    const { networkInterfaceId: NetworkInterfaceId } = guest.interface;
    const address = at(left, 77);
    await assignIpv6Addresses(world.ctx, { NetworkInterfaceId, Ipv6Addresses: [address] });
    expect(await guest.does('dhcp6')).toMatchObject({ address });
    await unassignIpv6Addresses(world.ctx, { NetworkInterfaceId, Ipv6Addresses: [address] });
    expect(await guest.does('dhcp6')).toBe(null);
  });
});

describe('security groups', () => {
  test('admit IPv6 by its own rules, for blocks, groups and ICMPv6', async () => {
    const reaches = async (guest: Guest, port: number): Promise<unknown> =>
      a.connects(guest.interface.ipv6Addresses[0] ?? '', port);
    const open = `open ${at(left, 10)}`;
    const tcp = (port: number) => ({ IpProtocol: 'tcp', FromPort: port, ToPort: port });
    await allow(group, { ...tcp(22), IpRanges: [{ CidrIp: '0.0.0.0/0' }] });
    expect([await a.connects(b.address, 22), await reaches(b, 22)]).toEqual([`open ${a.address}`, 'silent']);
    await allow(group, { ...tcp(22), Ipv6Ranges: [{ CidrIpv6: at(left, 10) + '/128' }] });
    expect([await reaches(b, 22), await reaches(c, 22), await reaches(b, 80)]).toEqual([
      open,
      open,
      'silent',
    ]);
    expect(await b.connects(at(right, 10), 22)).toBe('silent');
    await allow(group, { ...tcp(80), UserIdGroupPairs: [{ GroupId: groupOfA }] });
    expect([await reaches(b, 80), await reaches(c, 80)]).toEqual([open, open]);
    expect(await b.connects(at(right, 10), 80)).toBe('silent');
    expect(await a.does('ping6', at(left, 11))).toBe('silent');
    await allow(group, {
      IpProtocol: 'icmpv6',
      FromPort: 128,
      ToPort: -1,
      Ipv6Ranges: [{ CidrIpv6: '::/0' }],
    });
    expect(await a.does('ping6', at(left, 11))).toBe('answered');
    expect(await a.does('ping6', at(right, 10))).toBe('answered');
  });

  test('have nothing to say about the router: it answers a ping, and is the only way out of the link', async () => {
    expect(await a.does('ping6', at(left, 1))).toBe('answered');
    expect(await a.does('ping6', at(left, 99))).toBe('silent');
  });
});

test('a list at a subnet’s border judges IPv6 by its own entries, each way', async () => {
  const { NetworkAcl } = createNetworkAcl(world.ctx, { VpcId: vpc });
  const NetworkAclId = NetworkAcl?.NetworkAclId ?? '';
  const number = { RuleNumber: 100, RuleAction: 'allow', Protocol: '6' } as const;
  const reaches = async (): Promise<unknown> => a.connects(at(right, 10), 22);
  const replaced = await replaceNetworkAclAssociation(world.ctx, {
    AssociationId: right.networkAcl.associationId,
    NetworkAclId,
  });
  expect(await reaches()).toBe('silent');
  const inbound = { ...number, NetworkAclId, Egress: false, PortRange: { From: 22, To: 22 } };
  await createNetworkAclEntry(world.ctx, { ...inbound, CidrBlock: '0.0.0.0/0' });
  await createNetworkAclEntry(world.ctx, {
    ...inbound,
    RuleNumber: 110,
    Ipv6CidrBlock: left.ipv6?.cidrBlock,
  });
  expect(await reaches()).toBe('silent');
  await createNetworkAclEntry(world.ctx, {
    ...number,
    NetworkAclId,
    Egress: true,
    Ipv6CidrBlock: '::/0',
    PortRange: { From: 1024, To: 65_535 },
  });
  expect(await reaches()).toBe(`open ${at(left, 10)}`);
  expect(await a.does('ping6', at(right, 10))).toBe('silent');
  // Inside the subnet and towards the router nothing has changed: leases and neighbours need no entries.
  expect(await c.does('dhcp6')).toMatchObject({ address: at(right, 10) });
  await replaceNetworkAclAssociation(world.ctx, {
    AssociationId: replaced.NewAssociationId,
    NetworkAclId: right.networkAcl.networkAclId,
  });
});

test('a peering carries IPv6 where there are routes for it', async () => {
  const other = await world.vpc('10.98.0.0/16', { ipv6: true });
  const subnet = await world.subnet(other, '10.98.1.0/24', block(other, 1));
  const d = await world.boot({ subnet, groups: [await world.openGroup(other)], ipv6: at(subnet, 10) });
  await d.configure6();
  await d.starts('serve', '22');
  const { VpcPeeringConnection } = createVpcPeeringConnection(world.ctx, { VpcId: vpc, PeerVpcId: other });
  const id = VpcPeeringConnection?.VpcPeeringConnectionId ?? '';
  await acceptVpcPeeringConnection(world.ctx, { VpcPeeringConnectionId: id });
  const route = async (from: VpcId, to: string): Promise<void> =>
    world.route(world.record(from).mainRouteTable.routeTableId, to, { VpcPeeringConnectionId: id });
  await route(vpc, '10.98.0.0/16');
  await route(other, '10.97.0.0/16');
  expect(await a.connects(d.address, 22)).toBe(`open ${a.address}`);
  expect(await a.connects(at(subnet, 10), 22)).toBe('silent');
  await route(vpc, world.record(other).ipv6?.cidrBlock ?? '');
  expect(await a.connects(at(subnet, 10), 22)).toBe('silent');
  await route(other, world.record(vpc).ipv6?.cidrBlock ?? '');
  expect(await a.connects(at(subnet, 10), 22)).toBe(`open ${at(left, 10)}`);
  // What is not its block does not follow: the peering is for the two VPCs.
  await route(vpc, '2001:db8::/32');
  expect(await a.connects('2001:db8::1', 22)).toBe('silent');
});

test('IPv6 ends at the VPC’s border: this host has no way in and machines have none out', async () => {
  expect(await tool(undefined, 'connect', at(left, 11), '22')).not.toMatch(/^open/);
  expect(await a.connects('2001:db8::7', 80)).toBe('silent');
});
