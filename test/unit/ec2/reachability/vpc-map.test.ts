// What `vpc show` and `sg why` answer, and how the former is drawn.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { drawing } from '../../../../src/cli/commands/vpc-show.ts';
import { symbolsFor, treeLines } from '../../../../src/cli/symbols.ts';
import { describePath } from '../../../../src/ec2/reachability/describe-path.ts';
import { vpcMap, type VpcMap } from '../../../../src/ec2/reachability/vpc-map.ts';
import { putTags } from '../../../../src/store/tags.ts';
import type { SecurityGroup } from '../../../../src/store/security-groups.ts';
import type { Subnet, Vpc } from '../../../../src/store/vpcs.ts';
import { allowIn, entry, RecordedWorld, type Machine } from './recorded-world.ts';

let world: RecordedWorld;
let vpc: Vpc;
let near: Subnet;
let far: Subnet;
let web: SecurityGroup;
let a: Machine;

beforeEach(() => {
  world = new RecordedWorld();
  vpc = world.vpc('10.0.0.0/16');
  putTags(world.db, vpc.vpcId, { Name: 'lab' });
  far = world.subnet(vpc, '10.0.10.0/24');
  near = world.subnet(vpc, '10.0.2.0/24');
  putTags(world.db, near.subnetId, { Name: 'near' });
  web = world.group(vpc, 'web');
  a = world.machine(near, { groups: [web], name: 'a', secondary: ['10.0.2.90'] });
});
afterEach(() => world[Symbol.dispose]());

const map = (): VpcMap => vpcMap(world.ctx, vpc.vpcId);
const drawn = (environment: Readonly<Record<string, string>> = { LANG: 'C.UTF-8' }): string => {
  const symbols = symbolsFor(environment);
  return treeLines(drawing(map(), symbols), symbols).join('\n');
};

describe('the map', () => {
  test('has the subnets of a zone by their blocks, with what is in them', () => {
    const { Subnets, ...rest } = map();
    expect(rest).toMatchObject({
      VpcId: vpc.vpcId,
      Name: 'lab',
      CidrBlock: '10.0.0.0/16',
      IsDefault: false,
      DhcpOptionsId: 'default',
      ResolverAddress: '10.0.0.2',
      VpcPeeringConnections: [],
    });
    expect(rest).not.toHaveProperty('InternetGatewayId');
    expect(Subnets.map(({ SubnetId }) => SubnetId)).toEqual([near.subnetId, far.subnetId]);
    expect(Subnets[0]).toMatchObject({
      Name: 'near',
      CidrBlock: '10.0.2.0/24',
      AvailableIpAddressCount: 249,
      RouteTable: { RouteTableId: vpc.mainRouteTable.routeTableId, Main: true, Routes: [] },
      NetworkAcl: { IsDefault: true },
      NetworkInterfaces: [
        {
          PrivateIpAddresses: [a.address, '10.0.2.90'],
          PublicIps: [],
          Groups: [{ GroupId: web.groupId, GroupName: 'web' }],
          Instance: { InstanceId: a.instance.instanceId, Name: 'a', State: 'running' },
        },
      ],
    });
  });

  test('says where routes lead', () => {
    const igw = world.gateway(vpc);
    const other = world.vpc('10.1.0.0/16');
    const pcx = world.peering(vpc, other);
    const nat = world.nat(far, '203.0.113.200');
    world.routes(near, {
      '0.0.0.0/0': { kind: 'internetGateway', id: igw },
      '10.1.0.0/16': { kind: 'vpcPeeringConnection', id: pcx },
      '198.51.100.0/24': { kind: 'natGateway', id: nat },
      '192.0.2.0/24': { kind: 'networkInterface', id: a.networkInterface.networkInterfaceId },
    });
    world.acl(far, [entry(100, 'allow', 'in', 'all')]);
    const { Subnets, VpcPeeringConnections, InternetGatewayId } = map();
    expect(InternetGatewayId).toBe(igw);
    expect(Subnets[0]?.RouteTable.Routes.map(({ Means, State }) => [Means, State])).toEqual([
      ['internet', 'active'],
      [other.vpcId, 'active'],
      ['internet by NAT', 'active'],
      ['a', 'active'],
    ]);
    expect(Subnets[1]).toMatchObject({
      NetworkAcl: { IsDefault: false },
      NatGateways: [{ NatGatewayId: nat, PublicIp: '203.0.113.200', PrivateIpAddress: '10.0.10.4' }],
      NetworkInterfaces: [],
    });
    expect(VpcPeeringConnections).toEqual([
      { VpcPeeringConnectionId: pcx, PeerVpcId: other.vpcId, PeerCidrBlock: '10.1.0.0/16', Status: 'active' },
    ]);
    world.setState(a, 'stopped');
    expect(map().Subnets[0]?.RouteTable.Routes.map(({ State }) => State)).toEqual([
      ...['active', 'active', 'active', 'blackhole'],
    ]);
  });

  test('has what may reach each running instance, rules with one other end together', () => {
    const peers = world.group(vpc, 'peers');
    world.setRules(web, [
      allowIn('tcp/80', '10.0.0.0/8'),
      allowIn('tcp/443', '10.0.0.0/8'),
      allowIn('all', peers),
    ]);
    world.machine(far, { groups: [peers], name: 'b' });
    world.machine(far, { groups: [peers], name: 'c', state: 'stopped' });
    const { Inbound: inbound } = map();
    expect(inbound.map(({ Name }) => Name)).toEqual(['a', 'b']);
    expect(inbound[0]).toMatchObject({
      Allowed: [
        { From: '10.0.0.0/8', Traffic: ['tcp/80', 'tcp/443'] },
        { From: `members of peers (${peers.groupId})`, Traffic: ['everything'], Members: ['b'] },
      ],
      Internet: { Reachable: false, Reason: 'no elastic address' },
    });
    expect(inbound[1]?.Allowed).toEqual([]);
  });

  test('says whether the internet gets in, and what is missing', () => {
    const internet = () => map().Inbound[0]?.Internet;
    world.elastic('192.168.1.240', a.networkInterface, { reach: 'lan' });
    expect(internet()).toMatchObject({
      Reachable: false,
      PublicIp: '192.168.1.240',
      Reason: 'no rule for everybody',
    });
    world.setRules(web, [
      allowIn('tcp/443', '0.0.0.0/0'),
      allowIn('icmp/8', '0.0.0.0/0'),
      allowIn('tcp/22', '10.0.0.0/8'),
    ]);
    expect(internet()?.Reason).toContain('no route to 192.0.2.1');
    world.routes(near, { '0.0.0.0/0': { kind: 'internetGateway', id: world.gateway(vpc) } });
    expect(internet()).toEqual({
      Reachable: true,
      PublicIp: '192.168.1.240',
      Traffic: ['tcp/443', 'icmp type 8'],
    });
  });
});

describe('the drawing', () => {
  test('is a tree with a line for each thing', () => {
    world.setRules(web, [allowIn('tcp/80', '10.0.0.0/8')]);
    const lines = drawn().split('\n');
    expect(lines[0]).toBe(`lab (${vpc.vpcId})  10.0.0.0/16`);
    expect(lines).toContain('├─ internet gateway  none');
    expect(lines).toContain(`├─ subnet near (${near.subnetId})  us-east-1a  10.0.2.0/24  249 free`);
    expect(lines).toContain(
      `│  └─ 10.0.2.4  a  running  web  also 10.0.2.90  ${a.networkInterface.networkInterfaceId}  ${a.instance.instanceId}`,
    );
    expect(lines.slice(-3)).toEqual([
      '   └─ a',
      '      ├─ tcp/80 from 10.0.0.0/8',
      '      └─ internet: no, no elastic address',
    ]);
  });

  test('of three subnets and ten instances fits a screen or two', () => {
    const more = world.subnet(vpc, '10.0.20.0/24');
    for (let index = 0; index < 9; index++)
      world.machine([near, far, more][index % 3] ?? near, { groups: [web], name: `machine ${index}` });
    const lines = drawn().split('\n');
    expect(lines.length).toBeLessThan(40);
    expect(lines).toContain(
      '   └─ a, machine 0, machine 1, machine 2, machine 3, machine 4, machine 5, machine 6 and 2 more',
    );
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(130);
  });

  test('is plain without UTF-8', () => {
    expect(drawn({ LC_ALL: 'C', LANG: 'de_DE.UTF-8' })).toMatch(/^[\x20-\x7E\n]*$/);
    expect(drawn({ LC_ALL: '', LANG: 'de_DE.utf8' })).toContain('└─ ');
  });

  test('keeps names on their lines', () => {
    putTags(world.db, a.instance.instanceId, { Name: 'two\nlines' });
    expect(drawn()).toContain('two lines');
  });
});

test('a path is described in EC2’s manner', async () => {
  const path = await describePath(world.ctx, {
    from: '169.254.96.1',
    to: a.instance.instanceId,
    traffic: 'udp/53',
    isIpv6: false,
  });
  expect(path).toMatchObject({
    Verdict: 'dropped',
    DroppedAt: 'host',
    From: { Kind: 'host' },
    To: {
      Kind: 'interface',
      Text: `a (${a.instance.instanceId}) 10.0.2.4`,
      Address: '10.0.2.4',
      InstanceId: a.instance.instanceId,
      NetworkInterfaceId: a.networkInterface.networkInterfaceId,
      SubnetId: near.subnetId,
      VpcId: vpc.vpcId,
    },
    Traffic: 'udp/53',
    Steps: [
      { Stage: 'host', Verdict: 'drop', By: expect.any(String), Hint: `bonami ssh ${a.instance.instanceId}` },
    ],
  });
});
