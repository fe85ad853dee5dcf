// What `sg why` says against packets that are really sent: the same questions after each change of rules, lists,
// routes and addresses.
import type { IpPermission } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RouteTableId, SecurityGroupId, VpcId } from '../../../src/core/ids.ts';
import { addressAt6, formatIpv6, parseCidr6 } from '../../../src/core/ip.ts';
import { allocateAddress } from '../../../src/ec2/addresses/allocate-address.ts';
import { associateAddress } from '../../../src/ec2/addresses/associate-address.ts';
import { createNetworkAclEntry } from '../../../src/ec2/network-acls/create-network-acl-entry.ts';
import { createNetworkAcl } from '../../../src/ec2/network-acls/create-network-acl.ts';
import { deleteNetworkAclEntry } from '../../../src/ec2/network-acls/delete-network-acl-entry.ts';
import { replaceNetworkAclAssociation } from '../../../src/ec2/network-acls/replace-network-acl-association.ts';
import { describePath } from '../../../src/ec2/reachability/describe-path.ts';
import { deleteRoute } from '../../../src/ec2/route-tables/delete-route.ts';
import {
  authorizeSecurityGroupEgress,
  authorizeSecurityGroupIngress,
} from '../../../src/ec2/security-groups/authorize-security-group-ingress.ts';
import { createSecurityGroup } from '../../../src/ec2/security-groups/create-security-group.ts';
import {
  revokeSecurityGroupEgress,
  revokeSecurityGroupIngress,
} from '../../../src/ec2/security-groups/revoke-security-group-ingress.ts';
import { acceptVpcPeeringConnection } from '../../../src/ec2/vpc-peering-connections/accept-vpc-peering-connection.ts';
import { createVpcPeeringConnection } from '../../../src/ec2/vpc-peering-connections/create-vpc-peering-connection.ts';
import type { Subnet } from '../../../src/store/vpcs.ts';
import type { Guest } from '../../support/guest.ts';
import { tool } from '../../support/guest-tool.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { Outside } from '../../support/outside.ts';
import { World } from '../../support/world.ts';

let before: Snapshot;
let outside: Outside;
let world: World;
let one: VpcId;
let two: VpcId;
let tables: readonly RouteTableId[];
/** Of c's subnet with its ACL. */
let aclAssociation: string;
let clients: SecurityGroupId;
let servers: SecurityGroupId;
/** a and b are neighbours, c is in another subnet of their VPC, d in a peered one. */
let guests: Readonly<Record<'a' | 'b' | 'c' | 'd', Guest>>;

beforeAll(async () => {
  before = await snapshot();
  outside = await Outside.open();
  world = new World();
  one = await world.vpc('10.87.0.0/16', { internet: true, ipv6: true });
  two = await world.vpc('10.88.0.0/16', { internet: true });
  const [near, far, shelf] = [
    await world.subnet(one, '10.87.1.0/24', block6(1)),
    await world.subnet(one, '10.87.2.0/24', block6(2)),
    await world.subnet(two, '10.88.1.0/24'),
  ];
  aclAssociation = far.networkAcl.associationId;
  tables = [one, two].map((vpcId) => world.record(vpcId).mainRouteTable.routeTableId);
  clients = await group(one, 'clients');
  servers = await group(one, 'servers');
  const shop = await world.openGroup(two);
  guests = {
    a: await world.boot({ subnet: near, groups: [clients], name: 'a', ipv6: address6(near, 10) }),
    b: await world.boot({ subnet: near, groups: [servers], name: 'b', ipv6: address6(near, 11) }),
    c: await world.boot({ subnet: far, groups: [servers], name: 'c', ipv6: address6(far, 12) }),
    d: await world.boot({ subnet: shelf, groups: [shop], name: 'd' }),
  };
  await Promise.all([guests.a, guests.b, guests.c].map(async (guest) => guest.configure6()));
  for (const guest of Object.values(guests))
    for (const port of [22, 80]) await guest.starts('serve', String(port));
});
afterAll(async () => {
  await World.closeAll();
  await outside.close();
  await expectNoLeaks(before);
});

/** The `index`-th /64 of the first VPC. */
function block6(index: number): string {
  const { network } = parseCidr6(world.record(one).ipv6?.cidrBlock ?? '');
  return `${formatIpv6(network + (BigInt(index) << 64n))}/64`;
}

function address6({ ipv6 }: Subnet, offset: number): string {
  return addressAt6(parseCidr6(ipv6?.cidrBlock ?? ''), BigInt(offset));
}

async function group(vpcId: VpcId, name: string): Promise<SecurityGroupId> {
  const { GroupId } = await createSecurityGroup(world.ctx, {
    GroupName: name,
    Description: name,
    VpcId: vpcId,
  });
  return GroupId as SecurityGroupId;
}

const tcp = (port: number, cidr: string): IpPermission => ({
  IpProtocol: 'tcp',
  FromPort: port,
  ToPort: port,
  IpRanges: [{ CidrIp: cidr }],
});
const ALL: IpPermission = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] };

interface Pair {
  readonly from: keyof typeof guests | 'host' | 'outside';
  /** A guest by its private address, or an address. */
  readonly to: string;
}

/** Neighbours, other subnets, the other VPC, this host; and addresses that all of them reach, or do not. */
function pairs(further: readonly string[]): readonly Pair[] {
  const inside = ['ab', 'ac', 'ad', 'bc', 'ca', 'cb', 'da', 'dc'] as const;
  return [
    ...inside.map(([from, to]) => ({ from, to }) as Pair),
    ...['b', 'c', 'd'].map((to) => ({ from: 'host', to }) as const),
    ...further.flatMap((to) => (['a', 'd', 'host', 'outside'] as const).map((from) => ({ from, to }))),
    ...[guests.b, guests.c].map(({ interface: { ipv6Addresses } }) => ({
      from: 'a' as const,
      to: ipv6Addresses[0] ?? '',
    })),
    { from: 'a', to: outside.address },
    { from: 'd', to: outside.address },
  ];
}

function trafficTo({ to }: Pair): readonly string[] {
  if (to === outside.address) return ['tcp/7000'];
  return to.includes(':') ? ['tcp/22', 'tcp/80'] : ['tcp/22', 'tcp/80', 'icmp'];
}

async function isAllowed({ from, to }: Pair, traffic: string): Promise<boolean> {
  const word = from === 'outside' ? outside.address : from;
  const { Verdict } = await describePath(world.ctx, { from: word, to, traffic, isIpv6: false });
  return Verdict === 'allowed';
}

/** Whether a connection comes about, or a ping is answered. */
async function arrives({ from, to }: Pair, traffic: string): Promise<boolean> {
  const address = to in guests ? guests[to as keyof typeof guests].address : to;
  const words = traffic === 'icmp' ? ['ping', address] : ['connect', address, traffic.slice('tcp/'.length)];
  return /^(?:open|answered)/.test(String(await done(from, words)));
}

async function done(from: Pair['from'], words: readonly string[]): Promise<unknown> {
  if (from === 'host') return tool(undefined, ...words);
  if (from !== 'outside') return guests[from].does(...words);
  return tool(outside.namespace, ...words).catch((error: Error) => {
    // It knows its own network and no other.
    if (error.message.includes('Network is unreachable')) return 'unreachable';
    throw error;
  });
}

/** Every question, a few at a time, for each waits for what does not come. */
async function expectTrue(further: readonly string[] = []): Promise<void> {
  const questions = pairs(further).flatMap((pair) => trafficTo(pair).map((traffic) => ({ pair, traffic })));
  const [said, seen]: [string[], string[]] = [[], []];
  const rest = [...questions];
  const work = async (): Promise<void> => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
      const { pair, traffic } = next;
      const text = `${pair.from} to ${pair.to}, ${traffic}: `;
      const allowed = await isAllowed(pair, traffic);
      said.push(`${text}${allowed}`);
      seen.push(`${text}${await arrives(pair, traffic)}`);
    }
  };
  await Promise.all(Array.from({ length: 6 }, work));
  expect(said.toSorted()).toEqual(seen.toSorted());
  const allowed = said.filter((line) => line.endsWith('true')).length;
  expect(allowed).toBeGreaterThan(0);
  expect(allowed).toBeLessThan(said.length);
}

test('groups without rules', async () => {
  await expectTrue();
});

test('rules for a group, for blocks and for this host', async () => {
  await authorizeSecurityGroupIngress(world.ctx, {
    GroupId: servers,
    IpPermissions: [
      { IpProtocol: 'tcp', FromPort: 22, ToPort: 22, UserIdGroupPairs: [{ GroupId: clients }] },
      tcp(80, '10.87.2.0/24'),
      tcp(80, '169.254.96.0/20'),
      { IpProtocol: 'icmp', FromPort: 8, ToPort: -1, IpRanges: [{ CidrIp: '10.87.0.0/16' }] },
    ],
  });
  await expectTrue();
});

test('what may be sent', async () => {
  await revokeSecurityGroupEgress(world.ctx, { GroupId: clients, IpPermissions: [ALL] });
  await authorizeSecurityGroupEgress(world.ctx, {
    GroupId: clients,
    IpPermissions: [
      tcp(22, '10.87.2.0/24'),
      tcp(7000, '0.0.0.0/0'),
      { IpProtocol: 'icmp', FromPort: -1, ToPort: -1, IpRanges: [{ CidrIp: '0.0.0.0/0' }] },
    ],
  });
  await expectTrue();
  await authorizeSecurityGroupEgress(world.ctx, { GroupId: clients, IpPermissions: [ALL] });
});

test('a peering, with a route to it and then with one back', async () => {
  const { VpcPeeringConnection } = createVpcPeeringConnection(world.ctx, {
    VpcId: one,
    PeerVpcId: two,
  });
  const peering = VpcPeeringConnection?.VpcPeeringConnectionId ?? '';
  await acceptVpcPeeringConnection(world.ctx, { VpcPeeringConnectionId: peering });
  const [ours = 'rtb-0', theirs = 'rtb-0'] = tables;
  await world.route(ours, '10.88.0.0/16', { VpcPeeringConnectionId: peering });
  await expectTrue();
  await world.route(theirs, '10.87.0.0/16', { VpcPeeringConnectionId: peering });
  await authorizeSecurityGroupIngress(world.ctx, {
    GroupId: servers,
    IpPermissions: [tcp(22, '10.88.0.0/16')],
  });
  await expectTrue();
});

test('a network ACL, which forgets', async () => {
  const { NetworkAcl } = createNetworkAcl(world.ctx, { VpcId: one });
  const NetworkAclId = NetworkAcl?.NetworkAclId ?? '';
  await replaceNetworkAclAssociation(world.ctx, { AssociationId: aclAssociation, NetworkAclId });
  const add = async (
    RuleNumber: number,
    Egress: boolean,
    ports: readonly [number, number] | undefined,
    block: string,
  ) =>
    createNetworkAclEntry(world.ctx, {
      NetworkAclId,
      RuleNumber,
      Egress,
      RuleAction: 'allow',
      CidrBlock: block,
      ...(ports === undefined
        ? { Protocol: 'icmp', IcmpTypeCode: { Type: -1, Code: -1 } }
        : { Protocol: 'tcp', PortRange: { From: ports[0], To: ports[1] } }),
    });
  await add(100, false, [22, 22], '0.0.0.0/0');
  await expectTrue();
  await add(100, true, [1024, 65_535], '10.87.0.0/16');
  await add(110, true, undefined, '0.0.0.0/0');
  await add(110, false, undefined, '10.87.0.0/16');
  await expectTrue();
  await deleteNetworkAclEntry(world.ctx, { NetworkAclId, RuleNumber: 100, Egress: true });
  await add(100, true, [32_768, 60_999], '0.0.0.0/0');
  await expectTrue();
});

test('elastic addresses, of this host and of its network', async () => {
  const hidden = await allocateAddress(world.ctx, {});
  const shown = await allocateAddress(world.ctx, { Address: outside.at(60) });
  for (const [{ AllocationId }, guest] of [
    [hidden, guests.b],
    [shown, guests.d],
  ] as const)
    await associateAddress(world.ctx, {
      AllocationId,
      NetworkInterfaceId: guest.interface.networkInterfaceId,
    });
  const addresses = [hidden.PublicIp ?? '', shown.PublicIp ?? ''];
  await expectTrue(addresses);
  await authorizeSecurityGroupIngress(world.ctx, { GroupId: servers, IpPermissions: [tcp(80, '0.0.0.0/0')] });
  await expectTrue(addresses);
});

test('without the way out and the way across', async () => {
  const [ours = ''] = tables;
  for (const DestinationCidrBlock of ['0.0.0.0/0', '10.88.0.0/16'])
    await deleteRoute(world.ctx, { RouteTableId: ours, DestinationCidrBlock });
  await revokeSecurityGroupIngress(world.ctx, { GroupId: servers, IpPermissions: [tcp(80, '0.0.0.0/0')] });
  await expectTrue();
});
