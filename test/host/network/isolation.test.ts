// What a hostile guest sends and where it does not arrive. Security groups are open where nothing else is said: what is
// stopped here, the network itself has stopped. Each test sends the forbidden packets first and honest ones after them:
// once those have arrived, the others never will.
import { networkInterfaces } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SecurityGroupId, VpcId } from '../../../src/core/ids.ts';
import { assignPrivateIpAddresses } from '../../../src/ec2/network-interfaces/assign-private-ip-addresses.ts';
import { unassignPrivateIpAddresses } from '../../../src/ec2/network-interfaces/unassign-private-ip-addresses.ts';
import { authorizeSecurityGroupIngress } from '../../../src/ec2/security-groups/authorize-security-group-ingress.ts';
import { createSecurityGroup } from '../../../src/ec2/security-groups/create-security-group.ts';
import { bridgeMac, bridgeOf } from '../../../src/ec2/vpcs/router-spec.ts';
import { acceptVpcPeeringConnection } from '../../../src/ec2/vpc-peering-connections/accept-vpc-peering-connection.ts';
import { createVpcPeeringConnection } from '../../../src/ec2/vpc-peering-connections/create-vpc-peering-connection.ts';
import { namedNamespace } from '../../../src/host/link/namespace.ts';
import { linkName } from '../../../src/core/link-name.ts';
import type { Subnet } from '../../../src/store/vpcs.ts';
import type { Guest } from '../../support/guest.ts';
import { tool } from '../../support/guest-tool.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { Outside } from '../../support/outside.ts';
import { World } from '../../support/world.ts';

const EVERYBODY = 'ff:ff:ff:ff:ff:ff';
/** All nodes of a link (RFC 2464). */
const EVERYBODY6 = '33:33:00:00:00:01';

let before: Snapshot;
let world: World;
let outside: Outside;
let vpc: VpcId;
let peerVpc: VpcId;
let left: Subnet;
let right: Subnet;
let open: SecurityGroupId;
let liar: Guest;
let victim: Guest;
let witness: Guest;
/** May forward for others. */
let forwarder: Guest;
let far: Guest;
/** Lets nobody in but the witness. */
let closed: Guest;
/** In another VPC, which a peering joins to the first one. */
let peer: Guest;

beforeAll(async () => {
  before = await snapshot();
  outside = await Outside.open();
  world = new World();
  vpc = await world.vpc('10.91.0.0/16', { ipv6: true, internet: true });
  peerVpc = await world.vpc('10.93.0.0/16', { ipv6: true, internet: true });
  [left, right] = [
    await world.subnet(vpc, '10.91.1.0/24', ipv6Block(vpc, 1)),
    await world.subnet(vpc, '10.91.2.0/24', ipv6Block(vpc, 2)),
  ];
  const beyond = await world.subnet(peerVpc, '10.93.1.0/24', ipv6Block(peerVpc, 1));
  open = await world.openGroup(vpc);
  const groups = [open];
  [liar, victim, witness] = [
    await world.boot({ subnet: left, groups, ipv6: at(left, 10) }),
    await world.boot({ subnet: left, groups, ipv6: at(left, 11) }),
    await world.boot({ subnet: left, groups, ipv6: at(left, 12) }),
  ];
  forwarder = await world.boot({ subnet: left, groups, ipv6: at(left, 13), sourceDestCheck: false });
  far = await world.boot({ subnet: right, groups, ipv6: at(right, 10) });
  closed = await world.boot({ subnet: left, groups: [await groupFor(witness)] });
  peer = await world.boot({
    subnet: beyond,
    groups: [await world.openGroup(peerVpc)],
    ipv6: at(beyond, 10),
    sourceDestCheck: false,
  });
  for (const guest of [liar, victim, witness, far, peer]) await guest.configure6();
});
afterAll(async () => {
  await World.closeAll();
  await outside.close();
  await expectNoLeaks(before);
});

/** A group that lets one guest in. */
async function groupFor({ address }: Guest): Promise<SecurityGroupId> {
  const names = { GroupName: 'closed', Description: 'closed', VpcId: vpc };
  const { GroupId = '' } = await createSecurityGroup(world.ctx, names);
  await authorizeSecurityGroupIngress(world.ctx, {
    GroupId,
    IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: `${address}/32` }] }],
  });
  return GroupId as SecurityGroupId;
}

function ipv6Block(vpcId: VpcId, index: number): string {
  return (world.record(vpcId).ipv6?.cidrBlock ?? '').replace(/00::\/56$/, `0${index}::/64`);
}

function at({ ipv6 }: Subnet, host: number): string {
  return `${ipv6?.cidrBlock.split('/')[0]}${host}`;
}

async function inRouter(...[command = '', ...args]: readonly string[]): Promise<string> {
  return (await execa('nsenter', [`--net=${namedNamespace(vpc).file}`, command, ...args])).stdout;
}

/** What guest_attacks.py makes a frame of. */
interface Frame {
  readonly to?: string;
  readonly mac?: string;
  readonly raw?: string;
  readonly tag?: string;
  readonly source?: string;
  readonly destination?: string;
  readonly udp?: readonly [number, number, string];
  readonly tcp?: readonly [number, number, number, number, number, string];
  readonly icmp?: readonly [number, number, string | Frame];
  readonly icmp6?: readonly [number, number, string];
  readonly hops?: number;
  readonly extensions?: readonly string[];
  readonly cut?: number;
}

async function send(guest: Guest, frames: readonly Frame[]): Promise<void> {
  const to = bridgeMac(guest.interface.subnetId);
  await guest.does('send-frames', JSON.stringify(frames.map((frame) => ({ to, ...frame }))));
}

const datagram = (text: string): Pick<Frame, 'udp'> => ({ udp: [7000, 7000, text] });
const hex = (text: string): string => Buffer.from(text).toString('hex');
const FORGED = datagram('forged');

/** Which of the texts arrive at each of the listeners when a guest sends these frames, and honest ones at last. */
async function arrivals(
  listeners: readonly Guest[],
  frames: readonly Frame[],
  { from = liar, texts = ['forged'], honest = from }: ArrivalOptions = {},
): Promise<readonly (readonly string[])[]> {
  const watches = await Promise.all(listeners.map(async (guest) => guest.starts('overhear')));
  await send(from, frames);
  await send(
    honest,
    listeners.map(({ address }) => ({ source: honest.address, destination: address, ...datagram('last') })),
  );
  const heard = await Promise.all(
    watches.map(async (watch) => watch.until((frame) => String(frame).endsWith(hex('last')))),
  );
  await Promise.all(watches.map(async (watch) => watch.close()));
  return heard.map((all) => texts.filter((text) => all.some((frame) => String(frame).includes(hex(text)))));
}

interface ArrivalOptions {
  readonly from?: Guest;
  readonly texts?: readonly string[];
  /** Who sends the honest ones. */
  readonly honest?: Guest;
}

describe('IPv6', () => {
  test('from anybody else’s address reaches nobody, however it is wrapped', async () => {
    const gateway = at(left, 1);
    const sources = [
      at(left, 11),
      at(left, 99),
      at(right, 10),
      gateway,
      await routerLinkLocal(),
      'fe80::bad',
    ];
    const nobody = ['::', '::1', 'ff02::1', `::ffff:${liar.address}`, '2001:db8::1'];
    const targets = [
      { to: bridgeMac(left.subnetId), destination: at(left, 12) },
      { to: witness.mac, destination: at(left, 12) },
      { to: EVERYBODY6, destination: 'ff02::1' },
    ];
    const wraps = [
      ...[[], ['hop'], ['destination'], ['route'], ['hop', 'destination', 'route']].map((extensions) => ({
        extensions,
      })),
      { cut: 8 },
      { extensions: ['hop'], cut: 8 },
    ];
    const frames = [...sources, ...nobody].flatMap((source) =>
      targets.flatMap((target) => wraps.map((wrap) => ({ source, ...target, ...wrap, ...FORGED }))),
    );
    const honest = { source: at(left, 10), destination: at(left, 12), ...datagram('honest') };
    const texts = ['forged', 'honest'];
    expect(await arrivals([witness, victim], [...frames, honest], { texts })).toEqual([['honest'], []]);
  });

  test('of routers and of neighbours is believed by nobody', async () => {
    const state = async (): Promise<string> =>
      `${await inRouter('ip', '-6', 'neigh', 'show', 'nud', 'permanent')}\n${await inRouter('ip', '-6', 'route', 'show', 'table', 'all')}`;
    const known = await state();
    const [own, routerOwn] = [linkLocal(liar.mac), await routerLinkLocal()];
    const claims = [at(left, 11), linkLocal(victim.mac), at(left, 1), routerOwn];
    // A router advertisement with a lifetime and a prefix, a redirect, neighbour advertisements; all end with a text.
    const messages: readonly Frame['icmp6'][] = [
      [134, 0, `40c00708${'0'.repeat(16)}${PREFIX_OPTION}${option('forged')}`],
      [137, 0, `00000000${hex6(own)}${hex6(at(left, 11))}${option('forged')}`],
      ...claims.map(
        (claim) => [136, 0, `a0000000${hex6(claim)}${lladdr(liar.mac)}${option('forged')}`] as const,
      ),
    ];
    const wraps = [{}, { extensions: ['hop'] }, { extensions: ['destination'] }, { cut: 8 }, { cut: 24 }];
    const ways = [
      { to: EVERYBODY6, destination: 'ff02::1' },
      { to: victim.mac, destination: at(left, 11) },
      { to: bridgeMac(left.subnetId), destination: at(left, 1) },
      { to: bridgeMac(left.subnetId), destination: routerOwn },
    ];
    const frames = [own, at(left, 10), routerOwn].flatMap((source) =>
      messages.flatMap((icmp6) =>
        ways.flatMap((way) =>
          wraps.map((wrap) => ({ source, hops: 255, ...way, ...wrap, ...(icmp6 ? { icmp6 } : {}) })),
        ),
      ),
    );
    expect(await arrivals([victim, witness], frames)).toEqual([[], []]);
    expect(await state()).toBe(known);
    await victim.starts('serve', '22');
    expect(await witness.connects(at(left, 11), 22)).toBe(`open ${at(left, 12)}`);
  });

  test('in a neighbour’s name takes no lease away', async () => {
    await liar.does('decline6', victim.mac, linkLocal(victim.mac), at(left, 11));
    expect(await victim.does('dhcp6')).toMatchObject({ address: at(left, 11) });
  });
});

test('DHCP in a neighbour’s name takes no lease away', async () => {
  const server = '10.91.1.1';
  for (const [kind, source] of [
    ['4', '0.0.0.0'],
    ['4', liar.address],
    ['7', liar.address],
    ['1', '0.0.0.0'],
  ] as const)
    for (const relay of ['0.0.0.0', server, victim.address])
      await liar.does('send-dhcp', kind, victim.mac, victim.address, server, relay, source);
  expect(await victim.dhcp()).toMatchObject({ address: victim.address });
});

describe('frames', () => {
  test('that are tagged, or of other protocols, or for many, are heard by nobody', async () => {
    const ipv4 = (destination: string): Frame => ({ source: liar.address, destination, ...FORGED });
    const others = [
      ['01:80:c2:00:00:0e', '88cc'],
      ['01:80:c2:00:00:00', '0026424203'],
      ['01:00:0c:cc:cc:cc', '0040aaaa03'],
      [EVERYBODY, '8035'],
      [EVERYBODY, '88b5'],
      [EVERYBODY, '8863'],
      [EVERYBODY, '86dd'],
      [witness.mac, '88b5'],
      [bridgeMac(left.subnetId), '88b5'],
    ] as const;
    const groups = ['255.255.255.255', '10.91.1.255', '10.91.1.0', '224.0.0.1', '224.0.0.251', '239.1.2.3'];
    const frames: readonly Frame[] = [
      ...['81000005', '810000058100000a', '88a8000581000005'].flatMap((tag) =>
        [witness.mac, bridgeMac(left.subnetId)].map((to) => ({ ...ipv4(witness.address), tag, to })),
      ),
      ...others.map(([to, raw]) => ({ to, raw: `${raw}${hex('forged')}` })),
      ...groups.flatMap((group) =>
        [EVERYBODY, '01:00:5e:00:00:fb', bridgeMac(left.subnetId), witness.mac].map((to) => ({
          ...ipv4(group),
          to,
        })),
      ),
      ...['ff02::1', 'ff02::fb', 'ff05::1:3', 'ff0e::1'].flatMap((destination) =>
        [EVERYBODY6, bridgeMac(left.subnetId)].map((to) => ({
          source: at(left, 10),
          destination,
          to,
          ...FORGED,
        })),
      ),
      ...[liar.address, '10.91.1.1', victim.address].map((address) => ({ to: EVERYBODY, raw: arp(address) })),
    ];
    expect(await arrivals([witness, victim, far], frames)).toEqual([[], [], []]);
  });

  function arp(address: string): string {
    const [mac, ip] = [liar.mac.replaceAll(':', ''), hex4(address)];
    return `0806000108000604000${2}${mac}${ip}${mac}${ip}${hex('forged')}`;
  }
});

describe('a guest', () => {
  test('that may forward for others still passes for none of its neighbours', async () => {
    const uplink = (await uplinkEnds()).host;
    const forbidden = [
      ...[victim.address, far.address, '10.91.1.1', '10.91.0.2', '10.91.77.7', uplink],
      ...['169.254.169.254', '169.254.1.1', '0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255'],
    ];
    const forbidden6 = [
      ...[at(left, 11), at(left, 1), at(right, 10), await routerLinkLocal()],
      ...['::', '::1', 'ff02::1', `::ffff:${victim.address}`],
    ];
    const foreign = ['198.51.100.7', '2001:db8::7'];
    const said = (source: string): string => `from ${source}.`;
    const sources = [...forbidden, ...forbidden6, ...foreign];
    const frames = sources.map((source) => ({
      source,
      destination: source.includes(':') ? at(left, 12) : witness.address,
      ...datagram(said(source)),
    }));
    const options = { from: forwarder, texts: sources.map(said) };
    expect(await arrivals([witness], frames, options)).toEqual([foreign.map(said)]);
  });

  test('has a second address from when it is assigned until it is taken back', async () => {
    const second = '10.91.1.200';
    const NetworkInterfaceId = liar.interface.networkInterfaceId;
    const frames = [{ source: second, destination: witness.address, ...FORGED }];
    expect(await arrivals([witness], frames)).toEqual([[]]);
    await assignPrivateIpAddresses(world.ctx, { NetworkInterfaceId, PrivateIpAddresses: [second] });
    expect(await arrivals([witness], frames)).toEqual([['forged']]);
    await unassignPrivateIpAddresses(world.ctx, { NetworkInterfaceId, PrivateIpAddresses: [second] });
    expect(await arrivals([witness], frames)).toEqual([[]]);
  });
});

describe('a scan', () => {
  const TCP = '1-1024,1433,2049,2375,3000,3306,5432,6443,7000,8080,9100,16509,32768,49152,60000,65535';
  const UDP = '1,53,67-69,111,123,137,161,500,514,520,546,547,623,1900,4500,5353,5355,33434,65535';
  type Answers = Readonly<Record<string, string>>;
  /** What answers at each of the addresses, by TCP and by UDP. */
  const scan = async (addresses: readonly string[]): Promise<readonly (readonly Answers[])[]> => {
    const by = async (protocol: string, ports: string): Promise<readonly Answers[]> =>
      Promise.all(
        addresses.map(async (address) => (await liar.does('scan', address, protocol, ports)) as Answers),
      );
    // One after the other: so many segments at once fill the cable's queue, and a datagram is not sent again.
    const udp = await by('udp', UDP);
    const tcp = await by('tcp', TCP);
    return addresses.map((_, index) => [tcp[index] ?? {}, udp[index] ?? {}]);
  };

  test('of the router finds names and nothing else', async () => {
    const gateways = ['10.91.1.1', '10.91.2.1', '10.91.0.2', '169.254.169.253', at(left, 1)];
    const found = await scan([...gateways, '169.254.169.254', await routerLinkLocal()]);
    const refused = 'Connection refused';
    expect(found).toEqual([
      ...gateways.map(() => [{ 53: 'open' }, { 53: 'open' }]),
      [{ 53: refused, 80: refused }, { 53: refused }],
      [{}, {}],
    ]);
  });

  test('of this host finds nothing, by whatever address', async () => {
    const { host, router } = await uplinkEnds();
    const own = Object.entries(networkInterfaces()).flatMap(([name, each]) =>
      /^(lo|bnv)/.test(name) ? [] : (each ?? []).filter(({ family }) => family === 'IPv4'),
    );
    const addresses = [...new Set([host, outside.host, ...own.map(({ address }) => address)])];
    expect(addresses.length).toBeGreaterThan(1);
    const scanned = addresses.slice(0, 6);
    const refused = 'Connection refused';
    expect(await scan([...scanned, router])).toEqual([
      ...scanned.map(() => [{}, {}]),
      [{ 53: refused }, { 53: refused }],
    ]);
    expect(await Promise.all(addresses.map(async (address) => liar.pings(address)))).toEqual(
      addresses.map(() => 'silent'),
    );
  });

  test('could not find more: nothing but names and leases listens in the namespace', async () => {
    const listening = (await inRouter('ss', '-Hlntu')).split('\n').map((line) => line.split(/\s+/)[4] ?? '');
    expect([...new Set(listening.map((local) => local.replace(/^.*:/, '')))].sort()).toEqual([
      '53',
      '547',
      '67',
    ]);
    expect(listening.filter((local) => /^(\*|0\.0\.0\.0|\[::\]):53$/.test(local))).toEqual([]);
  });
});

test('another VPC is out of reach: by its addresses, by this host, by the uplinks', async () => {
  const other = await world.vpc('10.92.0.0/16', { internet: true });
  const subnet = await world.subnet(other, '10.92.1.0/24');
  const stranger = await world.boot({ subnet, groups: [await world.openGroup(other)] });
  await stranger.starts('serve', '22');
  const uplink = await uplinkEnds(other);
  const addresses = [stranger.address, '10.92.1.1', '10.92.0.2', uplink.router, uplink.host];
  const answers = await Promise.all(
    addresses.flatMap((address) => [
      liar.pings(address),
      ...[22, 53, 80].map(async (port) => liar.connects(address, port)),
    ]),
  );
  expect(answers).toEqual(answers.map(() => 'silent'));
  const frames = [stranger.address, '10.92.1.255', uplink.router].flatMap((destination) =>
    ['198.51.100.7', forwarder.address].map((source) => ({ source, destination, ...FORGED })),
  );
  const watch = await stranger.starts('overhear');
  await send(forwarder, frames);
  expect(await tool(undefined, 'connect', stranger.address, '22')).toBe(`open ${uplink.host}`);
  const last = hex4(uplink.host) + hex4(stranger.address);
  const heard = await watch.until((frame) => String(frame).includes(last));
  expect(heard.filter((frame) => String(frame).includes(hex('forged')))).toEqual([]);
});

describe('a peering', () => {
  test('is no way into a third VPC, and none out of it', async () => {
    const third = await world.vpc('10.94.0.0/16');
    const subnet = await world.subnet(third, '10.94.1.0/24');
    const beyond = await world.boot({ subnet, groups: [await world.openGroup(third)] });
    await beyond.starts('serve', '22');
    await peer.starts('serve', '22');
    const [near, next] = [await peering(vpc, peerVpc), await peering(peerVpc, third)];
    const tableOf = (vpcId: VpcId) => world.record(vpcId).mainRouteTable.routeTableId;
    for (const [from, to, by] of [
      [vpc, '10.93.0.0/16', near],
      [vpc, '10.94.0.0/16', near],
      [vpc, outside.block, near],
      [vpc, '203.0.113.0/24', near],
      [peerVpc, '10.91.0.0/16', near],
      [peerVpc, '10.94.0.0/16', next],
      [third, '10.93.0.0/16', next],
      [third, '10.91.0.0/16', next],
    ] as const)
      await world.route(tableOf(from), to, { VpcPeeringConnectionId: by });
    expect(await liar.connects(peer.address, 22)).toBe(`open ${liar.address}`);
    expect(await peer.connects(beyond.address, 22)).toBe(`open ${peer.address}`);
    expect(await peer.connects(outside.address, 7000)).toBe(`open ${outside.host}`);
    const refused = await Promise.all([
      liar.connects(beyond.address, 22),
      beyond.connects(liar.address, 22),
      liar.connects(outside.address, 7000),
      // The other side's router is nobody's business either.
      liar.connects('10.93.1.1', 53),
      liar.connects('10.93.0.2', 53),
      liar.connects('10.93.1.1', 80),
    ]);
    expect(refused).toEqual(refused.map(() => 'silent'));
  });

  test('carries nobody’s forged addresses', async () => {
    const forged = [victim.address, '10.91.1.1', '10.94.1.4', '198.51.100.7', '10.93.1.1', '10.93.77.7'];
    const frames = forged.map((source) => ({ source, destination: witness.address, ...FORGED }));
    expect(await arrivals([witness], frames, { from: peer })).toEqual([[]]);
    // To groups that name the peer's, its addresses say who speaks.
    const peers = [peer.address, '10.93.1.1', `${ipv6Block(peerVpc, 1).split('/')[0]}10`].map((source) => ({
      source,
      destination: source.includes(':') ? at(left, 12) : witness.address,
      ...FORGED,
    }));
    expect(await arrivals([witness], peers, { from: forwarder })).toEqual([[]]);
    const outwards = ['10.94.1.4', '198.51.100.7', peer.address].map((source) => ({
      source,
      destination: peer.address,
      ...FORGED,
    }));
    expect(await arrivals([peer], outwards, { from: forwarder })).toEqual([[]]);
  });

  async function peering(requester: VpcId, accepter: VpcId): Promise<string> {
    const { VpcPeeringConnection } = createVpcPeeringConnection(world.ctx, {
      VpcId: requester,
      PeerVpcId: accepter,
    });
    const id = VpcPeeringConnection?.VpcPeeringConnectionId ?? '';
    await acceptVpcPeeringConnection(world.ctx, { VpcPeeringConnectionId: id });
    return id;
  }
});

describe('a guest that lets nobody in', () => {
  /** Who is asked by nobody hears nothing. */
  const hears = async (frames: readonly Frame[]): Promise<readonly string[] | undefined> =>
    (await arrivals([closed], frames, { texts: ['forged', 'answer', 'error'], honest: witness }))[0];
  const to = (): Pick<Frame, 'source' | 'destination'> => ({
    source: liar.address,
    destination: closed.address,
  });

  test('hears no TCP segment of a conversation that never began', async () => {
    const [fin, syn, rst, push, ack] = [1, 2, 4, 8, 16];
    const kinds = [ack, syn | ack, fin | ack, rst, rst | ack, push | ack, 0, fin | push | 32, syn | fin];
    expect(
      await hears(kinds.map((flags) => ({ ...to(), tcp: [22, 40_000, flags, 1, 1, 'forged'] }))),
    ).toEqual([]);
  });

  test('hears no error about a conversation that never was, and an answer by itself opens nothing', async () => {
    const quoted = {
      source: closed.address,
      destination: liar.address,
      udp: [5000, 7000, 'forged'] as const,
    };
    const others = [
      { ...quoted, destination: victim.address },
      { ...quoted, source: victim.address },
      {
        source: closed.address,
        destination: liar.address,
        icmp: [8, 0, `12340001${hex('forged')}`] as const,
      },
    ];
    const errors = [3, 4, 5, 11, 12].flatMap((type) =>
      [quoted, ...others].map((quote) => ({ ...to(), icmp: [type, 0, quote] as const })),
    );
    const answers = [0, 14, 16, 18].map((type) => ({
      ...to(),
      icmp: [type, 0, `12340001${hex('forged')}`] as const,
    }));
    expect(await hears([...errors, ...answers, { ...to(), ...FORGED }])).toEqual([]);
  });

  test('hears answers where it has asked, and there only', async () => {
    await send(closed, [
      { source: closed.address, destination: liar.address, udp: [5000, 7000, 'question'] },
    ]);
    const asked = { source: closed.address, destination: liar.address, udp: [5000, 7000, 'error'] as const };
    const frames: readonly Frame[] = [
      { ...to(), udp: [7000, 5001, 'forged'] },
      { ...to(), udp: [7001, 5000, 'forged'] },
      { ...to(), tcp: [7000, 5000, 16, 1, 1, 'forged'] },
      { source: liar.address, destination: far.address, icmp: [3, 3, asked] },
    ];
    expect(await hears(frames)).toEqual([]);
    expect(await hears([{ ...to(), udp: [7000, 5000, 'answer'] }])).toEqual(['answer']);
  });
});

async function routerLinkLocal(): Promise<string> {
  const text = await inRouter(
    'ip',
    '-6',
    '-j',
    'addr',
    'show',
    'dev',
    bridgeOf(left.subnetId),
    'scope',
    'link',
  );
  const entries = JSON.parse(text) as { addr_info?: { local?: string }[] }[];
  const [found = ''] = entries.flatMap(({ addr_info: info = [] }) =>
    info.flatMap(({ local }) => local ?? []),
  );
  expect(found).toMatch(/^fe80::/);
  return found;
}

/** Both addresses of a VPC's uplink. */
async function uplinkEnds(vpcId = vpc): Promise<{ readonly host: string; readonly router: string }> {
  const { stdout } = await execa('ip', ['-j', '-4', 'addr', 'show', linkName('bnv', vpcId)]);
  const [entry] = JSON.parse(stdout) as { addr_info: { local: string }[] }[];
  const host = entry?.addr_info[0]?.local ?? '';
  return { host, router: host.replace(/\d+$/, (last) => String(Number(last) + 1)) };
}

/** RFC 4291, appendix A. */
function linkLocal(mac: string): string {
  const [first = 0, ...rest] = mac.split(':').map((part) => parseInt(part, 16));
  const bytes = [first ^ 2, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)];
  const digits = Buffer.from(bytes).toString('hex');
  const words = (digits.match(/.{4}/g) ?? []).map((word) => parseInt(word, 16).toString(16));
  return `fe80::${words.join(':')}`;
}

function hex4(address: string): string {
  return Buffer.from(address.split('.').map(Number)).toString('hex');
}

function hex6(address: string): string {
  const [head = '', tail = ''] = address.split('::');
  const words = (part: string): string[] =>
    part.split(':').flatMap((word) => (word ? [word.padStart(4, '0')] : []));
  const [high, low] = [words(head), words(tail)];
  return [...high, ...Array.from({ length: 8 - high.length - low.length }, () => '0000'), ...low].join('');
}

/** Options of neighbour discovery (RFC 4861, 4.6): target link-layer address, prefix, and one that nobody knows. */
function lladdr(mac: string): string {
  return `0201${mac.replaceAll(':', '')}`;
}
const PREFIX_OPTION = `030440c0${'ffffffff'.repeat(2)}00000000${hex6('2001:db8:bad::')}`;
function option(text: string): string {
  return `fd01${hex(text)}`;
}
