// Networks of every shape, with packets: subnets, routes, gateways, peering, lists, both families.
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { VpcId } from '../../../src/core/ids.ts';
import { allocateAddress } from '../../../src/ec2/addresses/allocate-address.ts';
import { associateAddress } from '../../../src/ec2/addresses/associate-address.ts';
import { disassociateAddress } from '../../../src/ec2/addresses/disassociate-address.ts';
import { createNatGateway } from '../../../src/ec2/nat-gateways/create-nat-gateway.ts';
import { createNetworkAcl } from '../../../src/ec2/network-acls/create-network-acl.ts';
import { createNetworkAclEntry } from '../../../src/ec2/network-acls/create-network-acl-entry.ts';
import { replaceNetworkAclAssociation } from '../../../src/ec2/network-acls/replace-network-acl-association.ts';
import { deleteRoute } from '../../../src/ec2/route-tables/delete-route.ts';
import { authorizeSecurityGroupIngress } from '../../../src/ec2/security-groups/authorize-security-group-ingress.ts';
import { createSecurityGroup } from '../../../src/ec2/security-groups/create-security-group.ts';
import { driftOf, mendDrift } from '../../../src/ec2/vpcs/network-drift.ts';
import { removeVpcNetwork } from '../../../src/ec2/vpcs/network.ts';
import { acceptVpcPeeringConnection } from '../../../src/ec2/vpc-peering-connections/accept-vpc-peering-connection.ts';
import { createVpcPeeringConnection } from '../../../src/ec2/vpc-peering-connections/create-vpc-peering-connection.ts';
import { deleteVpcPeeringConnection } from '../../../src/ec2/vpc-peering-connections/delete-vpc-peering-connection.ts';
import { tool } from '../../support/guest-tool.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { Outside } from '../../support/outside.ts';
import { World } from '../../support/world.ts';

let before: Snapshot;
let outside: Outside;
let world: World;
beforeAll(async () => {
  before = await snapshot();
  outside = await Outside.open();
});
afterEach(async () => World.closeAll());
afterAll(async () => {
  await World.closeAll();
  await outside.close();
  await expectNoLeaks(before);
});

describe('two VPCs with the same block', () => {
  test('know nothing of each other, and the host reaches the first one’s addresses', async () => {
    world = new World();
    const [one, two] = [await world.vpc('10.77.0.0/16'), await world.vpc('10.77.0.0/16')];
    const groups = [await world.openGroup(one), await world.openGroup(two)] as const;
    const subnets = [
      await world.subnet(one, '10.77.1.0/24'),
      await world.subnet(two, '10.77.1.0/24'),
    ] as const;
    const [a, b] = [
      await world.boot({ subnet: subnets[0], groups: [groups[0]], address: '10.77.1.10' }),
      await world.boot({ subnet: subnets[1], groups: [groups[1]], address: '10.77.1.10' }),
    ];
    const c = await world.boot({ subnet: subnets[1], groups: [groups[1]] });
    await a.starts('serve', '22');
    await b.starts('serve', '23');
    expect(await c.connects('10.77.1.10', 23)).toBe(`open ${c.address}`);
    expect(await c.connects('10.77.1.10', 22)).toBe('Connection refused');
    expect(await tool(undefined, 'connect', '10.77.1.10', '22')).toMatch(/^open /);
    expect(world.home.reported.warnings.join()).toContain('10.77.0.0/16');
  });
});

describe('routes', () => {
  test('a subnet without a way out is closed, until it has one, at once', async () => {
    world = new World();
    const vpc = await world.vpc('10.78.0.0/16');
    const gateway = await world.gateway(vpc);
    const groups = [await world.openGroup(vpc)];
    const [open, closed] = [await world.subnet(vpc, '10.78.1.0/24'), await world.subnet(vpc, '10.78.2.0/24')];
    await world.routes(open, { '0.0.0.0/0': { GatewayId: gateway } });
    const table = await world.routes(closed, {});
    const [a, b] = [await world.boot({ subnet: open, groups }), await world.boot({ subnet: closed, groups })];
    await b.starts('serve', '22');
    expect(await a.connects(b.address, 22)).toBe(`open ${a.address}`);
    expect(await a.connects(outside.address, 7000)).toBe(`open ${outside.host}`);
    expect(await b.connects(outside.address, 7000)).toBe('silent');
    // The host is not the outside: it gets in, by the group's rules, whatever the routes are.
    expect(await tool(undefined, 'connect', b.address, '22')).toMatch(/^open /);
    await world.route(table, outside.block, { GatewayId: gateway });
    expect(await b.connects(outside.address, 7000)).toBe(`open ${outside.host}`);
    await deleteRoute(world.ctx, { RouteTableId: table, DestinationCidrBlock: outside.block });
    expect(await b.connects(outside.address, 7000)).toBe('silent');
  });

  test('a private subnet leaves by a NAT gateway, with its address, and nobody gets in', async () => {
    world = new World();
    const vpc = await world.vpc('10.79.0.0/16', { internet: true });
    const groups = [await world.openGroup(vpc)];
    const [open, hidden] = [await world.subnet(vpc, '10.79.1.0/24'), await world.subnet(vpc, '10.79.2.0/24')];
    const eip = await allocateAddress(world.ctx, { PublicIpv4Pool: outside.block });
    const { NatGateway } = await createNatGateway(world.ctx, {
      SubnetId: open.subnetId,
      AllocationId: eip.AllocationId,
    });
    await world.routes(hidden, { '0.0.0.0/0': { NatGatewayId: NatGateway?.NatGatewayId ?? '' } });
    const guest = await world.boot({ subnet: hidden, groups });
    await guest.starts('serve', '22');
    expect(await guest.connects(outside.address, 7000)).toBe(`open ${eip.PublicIp}`);
    expect(await outside.connects(eip.PublicIp ?? '', 22)).not.toMatch(/^open/);
  });

  test('a machine that forwards for others is judged by its own groups', async () => {
    world = new World();
    const vpc = await world.vpc('10.80.0.0/16', { internet: true });
    const groups = [await world.openGroup(vpc)];
    const [open, inner] = [await world.subnet(vpc, '10.80.1.0/24'), await world.subnet(vpc, '10.80.2.0/24')];
    const nat = await world.boot({ subnet: open, groups, sourceDestCheck: false });
    const guest = await world.boot({ subnet: inner, groups });
    nat.run('sysctl', '-qw', 'net.ipv4.ip_forward=1');
    nat.run(
      'nft',
      'add table ip n; add chain ip n o { type nat hook postrouting priority 100; }; add rule ip n o masquerade',
    );
    await world.routes(inner, { '0.0.0.0/0': { NetworkInterfaceId: nat.interface.networkInterfaceId } });
    expect(await guest.connects(outside.address, 7000)).toBe(`open ${outside.host}`);
    nat.run('nft', 'delete table ip n');
    expect(await guest.connects(outside.address, 7000)).toBe('silent');
  });
});

describe('an elastic address', () => {
  test('reaches its guest from this host, from outside and from neighbours, and is whom it speaks as', async () => {
    world = new World();
    const vpc = await world.vpc('10.81.0.0/16', { internet: true });
    const groups = [await world.openGroup(vpc)];
    const subnet = await world.subnet(vpc, '10.81.1.0/24');
    const [a, b] = [await world.boot({ subnet, groups }), await world.boot({ subnet, groups })];
    await a.starts('serve', '22');
    const eip = await allocateAddress(world.ctx, { PublicIpv4Pool: outside.block });
    const address = eip.PublicIp ?? '';
    const { AssociationId } = await associateAddress(world.ctx, {
      AllocationId: eip.AllocationId,
      NetworkInterfaceId: a.interface.networkInterfaceId,
    });
    expect(await tool(undefined, 'connect', address, '22')).toMatch(/^open /);
    expect(await outside.connects(address, 22)).toBe(`open ${outside.address}`);
    expect(await b.connects(address, 22)).toMatch(/^open /);
    expect(await a.connects(address, 22)).toMatch(/^open /);
    expect(await a.connects(outside.address, 7000)).toBe(`open ${address}`);
    expect(await b.connects(outside.address, 7000)).toBe(`open ${outside.host}`);
    await disassociateAddress(world.ctx, { AssociationId });
    expect(await outside.connects(address, 22)).not.toMatch(/^open/);
    expect(await a.connects(outside.address, 7000)).toBe(`open ${outside.host}`);
  });

  test('may be one of the host’s own', async () => {
    world = new World();
    const own = outside.at(200);
    execFileSync('ip', ['addr', 'add', `${own}/24`, 'dev', outside.link]);
    const vpc = await world.vpc('10.82.0.0/16', { internet: true });
    const groups = [await world.openGroup(vpc)];
    const a = await world.boot({ subnet: await world.subnet(vpc, '10.82.1.0/24'), groups });
    await a.starts('serve', '2222');
    const eip = await allocateAddress(world.ctx, { Address: own });
    await associateAddress(world.ctx, {
      AllocationId: eip.AllocationId,
      NetworkInterfaceId: a.interface.networkInterfaceId,
    });
    expect(await outside.connects(own, 2222)).toBe(`open ${outside.address}`);
    expect(await tool(undefined, 'connect', own, '2222')).toMatch(/^open /);
    expect(await a.connects(outside.address, 7000)).toBe(`open ${own}`);
    await world.close();
    execFileSync('ip', ['addr', 'del', `${own}/24`, 'dev', outside.link]);
  });

  test('reaches another VPC’s guest, which sees who calls by its public address', async () => {
    world = new World();
    const [one, two] = [
      await world.vpc('10.83.0.0/16', { internet: true }),
      await world.vpc('10.84.0.0/16', { internet: true }),
    ];
    const [a, b] = [
      await world.boot({
        subnet: await world.subnet(one, '10.83.1.0/24'),
        groups: [await world.openGroup(one)],
      }),
      await world.boot({
        subnet: await world.subnet(two, '10.84.1.0/24'),
        groups: [await world.openGroup(two)],
      }),
    ];
    await b.starts('serve', '22');
    const eips = [await allocateAddress(world.ctx, {}), await allocateAddress(world.ctx, {})] as const;
    for (const [index, guest] of [a, b].entries())
      await associateAddress(world.ctx, {
        AllocationId: eips[index]?.AllocationId,
        NetworkInterfaceId: guest.interface.networkInterfaceId,
      });
    expect(await a.connects(b.address, 22)).toBe('silent');
    expect(await a.connects(eips[1].PublicIp ?? '', 22)).toBe(`open ${eips[0].PublicIp}`);
  });
});

describe('a peering', () => {
  async function peered(): Promise<{ one: VpcId; two: VpcId; pcx: string }> {
    world = new World();
    const [one, two] = [await world.vpc('10.85.0.0/16'), await world.vpc('10.86.0.0/16')];
    const { VpcPeeringConnection } = createVpcPeeringConnection(world.ctx, {
      VpcId: one,
      PeerVpcId: two,
    });
    const pcx = VpcPeeringConnection?.VpcPeeringConnectionId ?? '';
    await acceptVpcPeeringConnection(world.ctx, { VpcPeeringConnectionId: pcx });
    await world.route(world.record(one).mainRouteTable.routeTableId, '10.86.0.0/16', {
      VpcPeeringConnectionId: pcx,
    });
    await world.route(world.record(two).mainRouteTable.routeTableId, '10.85.0.0/16', {
      VpcPeeringConnectionId: pcx,
    });
    return { one, two, pcx };
  }

  test('joins two VPCs by their private addresses, for groups too, until it is deleted', async () => {
    const { one, two, pcx } = await peered();
    const callers = await world.openGroup(one);
    const { GroupId: served = '' } = await createSecurityGroup(world.ctx, {
      GroupName: 'served',
      Description: 'served',
      VpcId: two,
    });
    const [subnet1, subnet2] = [
      await world.subnet(one, '10.85.1.0/24'),
      await world.subnet(two, '10.86.1.0/24'),
    ];
    const a = await world.boot({ subnet: subnet1, groups: [callers] });
    const b = await world.boot({ subnet: subnet2, groups: [served as `sg-${string}`] });
    await b.starts('serve', '22');
    expect(await a.connects(b.address, 22)).toBe('silent');
    await authorizeSecurityGroupIngress(world.ctx, {
      GroupId: served,
      IpPermissions: [
        {
          IpProtocol: 'tcp',
          FromPort: 22,
          ToPort: 22,
          UserIdGroupPairs: [{ GroupId: callers, VpcPeeringConnectionId: pcx }],
        },
      ],
    });
    expect(await a.connects(b.address, 22)).toBe(`open ${a.address}`);
    // A member that comes later is one as well.
    const late = await world.boot({ subnet: subnet1, groups: [callers] });
    expect(await late.connects(b.address, 22)).toBe(`open ${late.address}`);
    await deleteVpcPeeringConnection(world.ctx, { VpcPeeringConnectionId: pcx });
    expect(await a.connects(b.address, 22)).toBe('silent');
  });

  test('leads nowhere while its link is gone, which is found and mended', async () => {
    const { one, two } = await peered();
    const gateway = await world.gateway(one);
    await world.route(world.record(one).mainRouteTable.routeTableId, '0.0.0.0/0', { GatewayId: gateway });
    const groups = [await world.openGroup(one), await world.openGroup(two)] as const;
    const a = await world.boot({ subnet: await world.subnet(one, '10.85.1.0/24'), groups: [groups[0]] });
    const b = await world.boot({ subnet: await world.subnet(two, '10.86.1.0/24'), groups: [groups[1]] });
    await b.starts('serve', '22');
    expect(await a.connects(b.address, 22)).toBe(`open ${a.address}`);
    const links = execFileSync('ip', ['-n', one, '-br', 'link'], { encoding: 'utf8' });
    execFileSync('ip', ['-n', one, 'link', 'del', /pcx[0-9a-f]+/.exec(links)?.[0] ?? '']);
    // Not to the outside, though a wider route leads there.
    expect(execFileSync('ip', ['-n', one, 'route', 'show', 'table', 'all'], { encoding: 'utf8' })).toContain(
      'blackhole 10.86.0.0/16',
    );
    expect(await a.connects(b.address, 22)).not.toMatch(/^open/);
    expect((await driftOf(world.ctx, one)).changes).toContain(`its link to ${two} is missing`);
    await mendDrift(world.ctx, one);
    await mendDrift(world.ctx, two);
    expect(await a.connects(b.address, 22)).toBe(`open ${a.address}`);
    await removeVpcNetwork(world.ctx, two, { unless: () => false, before: async () => {} });
    expect(await driftOf(world.ctx, one)).toMatchObject({ changes: [] });
  });

  test('is no way through: neither to a third VPC nor to the outside', async () => {
    const { one, two, pcx } = await peered();
    const gateway = await world.gateway(two);
    await world.route(world.record(two).mainRouteTable.routeTableId, '0.0.0.0/0', { GatewayId: gateway });
    await world.route(world.record(one).mainRouteTable.routeTableId, '0.0.0.0/0', {
      VpcPeeringConnectionId: pcx,
    });
    const a = await world.boot({
      subnet: await world.subnet(one, '10.85.1.0/24'),
      groups: [await world.openGroup(one)],
    });
    const b = await world.boot({
      subnet: await world.subnet(two, '10.86.1.0/24'),
      groups: [await world.openGroup(two)],
    });
    expect(await b.connects(outside.address, 7000)).toBe(`open ${outside.host}`);
    expect(await a.connects(outside.address, 7000)).toBe('silent');
  });
});

test('a network ACL judges both ways what crosses its subnet’s border, and nothing inside', async () => {
  world = new World();
  const vpc = await world.vpc('10.87.0.0/16');
  const groups = [await world.openGroup(vpc)];
  const [left, right] = [await world.subnet(vpc, '10.87.1.0/24'), await world.subnet(vpc, '10.87.2.0/24')];
  const [a, b, c] = [
    await world.boot({ subnet: left, groups }),
    await world.boot({ subnet: right, groups }),
    await world.boot({ subnet: right, groups }),
  ];
  await b.starts('serve', '22');
  await a.starts('serve', '22');
  const { NetworkAcl } = createNetworkAcl(world.ctx, { VpcId: vpc });
  const id = NetworkAcl?.NetworkAclId ?? '';
  await replaceNetworkAclAssociation(world.ctx, {
    AssociationId: right.networkAcl.associationId,
    NetworkAclId: id,
  });
  const entry = { NetworkAclId: id, Protocol: '6', CidrBlock: '0.0.0.0/0' };
  expect(await a.connects(b.address, 22)).toBe('silent');
  expect(await c.connects(b.address, 22)).toBe(`open ${c.address}`);
  await createNetworkAclEntry(world.ctx, {
    ...entry,
    RuleNumber: 100,
    Egress: false,
    RuleAction: 'allow',
    PortRange: { From: 22, To: 22 },
  });
  // Stateless: the answer needs an entry of its own.
  expect(await a.connects(b.address, 22)).toBe('silent');
  await createNetworkAclEntry(world.ctx, {
    ...entry,
    RuleNumber: 100,
    Egress: true,
    RuleAction: 'allow',
    PortRange: { From: 1024, To: 65_535 },
  });
  expect(await a.connects(b.address, 22)).toBe(`open ${a.address}`);
  expect(await b.connects(a.address, 22)).toBe('silent');
  await createNetworkAclEntry(world.ctx, {
    ...entry,
    RuleNumber: 50,
    Egress: false,
    RuleAction: 'deny',
    CidrBlock: `${a.address}/32`,
    PortRange: { From: 0, To: 65_535 },
  });
  expect(await a.connects(b.address, 22)).toBe('silent');
});

test('guests with both families reach each other by both, as their groups allow', async () => {
  world = new World();
  const vpc = await world.vpc('10.88.0.0/16', { ipv6: true });
  const block = world.record(vpc).ipv6?.cidrBlock ?? '';
  const at = (subnet: number): string => block.replace(/00::\/56$/, `0${subnet}::/64`);
  const [left, right] = [
    await world.subnet(vpc, '10.88.1.0/24', at(1)),
    await world.subnet(vpc, '10.88.2.0/24', at(2)),
  ];
  const open = await world.openGroup(vpc);
  const closed = world.ctx;
  void closed;
  const six = (subnet: typeof left, host: number): string => `${subnet.ipv6?.cidrBlock.split('/')[0]}${host}`;
  const a = await world.boot({ subnet: left, groups: [open], ipv6: six(left, 10) });
  const b = await world.boot({ subnet: left, groups: [open], ipv6: six(left, 11) });
  const c = await world.boot({ subnet: right, groups: [open], ipv6: six(right, 10) });
  for (const guest of [a, b, c]) await guest.configure6();
  await b.starts('serve', '22');
  await c.starts('serve', '22');
  expect(await a.connects(six(left, 11), 22)).toBe(`open ${six(left, 10)}`);
  expect(await a.connects(six(right, 10), 22)).toBe(`open ${six(left, 10)}`);
  expect(await a.connects(c.address, 22)).toBe(`open ${a.address}`);
});

test('names: of addresses, of Name tags, and their ways back', async () => {
  world = new World();
  const vpc = await world.vpc('10.89.0.0/16');
  const groups = [await world.openGroup(vpc)];
  const subnet = await world.subnet(vpc, '10.89.1.0/24');
  const web = await world.boot({ subnet, groups, name: 'Web' });
  const client = await world.boot({ subnet, groups, name: 'not a name' });
  const lookUp = async (name: string, kind = 'A'): Promise<unknown> => client.dns('10.89.0.2', name, kind);
  expect(await lookUp('web.internal')).toEqual({ code: 0, records: [web.address] });
  const own = `ip-${web.address.replaceAll('.', '-')}.ec2.internal`;
  expect(await lookUp(own)).toEqual({ code: 0, records: [web.address] });
  const reverse = `${web.address.split('.').toReversed().join('.')}.in-addr.arpa`;
  expect(await lookUp(reverse, 'PTR')).toEqual({ code: 0, records: [own] });
  await web.close();
  expect(await lookUp('web.internal')).toMatchObject({ records: [] });
});
