// What a person with root in a guest tries against their neighbours, this host and other networks: each sentence that
// the manual says of isolation, from inside of real machines.
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Instance } from '@aws-sdk/client-ec2';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { linkName } from '../../src/core/link-name.ts';
import { namedNamespace } from '../../src/host/link/namespace.ts';
import { openCloud, type Cloud } from '../support/cloud.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';

let before: Snapshot;
let cloud: Cloud;
let liar: Instance;
let neighbour: Instance;
/** In another VPC. */
let stranger: Instance;
/** A service of this host, on all of its addresses. */
let service: Server;

beforeAll(async () => {
  before = await snapshot();
  service = createServer((socket) => socket.end('the host\n'));
  await new Promise<void>((resolve) => service.listen(0, '0.0.0.0', resolve));
  cloud = await openCloud('tiny');
  await cloud.bonami('vpc', 'create', '172.16.0.0/16', '-n', 'other');
  await cloud.bonami('subnet', 'create', 'other', '172.16.8.0/24', '-n', 'far');
  const run = async (...args: readonly string[]): Promise<Instance> => {
    const [made] = await cloud.run('tiny', '-t', 't3.nano', '--wait', 'ssh', ...args);
    if (made === undefined) throw new Error('nothing was launched');
    return made;
  };
  [liar, neighbour, stranger] = await Promise.all([
    run('-n', 'liar'),
    run('-n', 'neighbour'),
    run('-n', 'stranger', '--subnet', 'far'),
  ]);
  const group = liar.SecurityGroups?.[0]?.GroupId ?? '';
  await cloud.bonami('sg', 'authorize', group, '--proto', 'icmp', '--from', '0.0.0.0/0');
});
afterAll(async () => {
  await cloud.close();
  await new Promise((resolve) => service.close(resolve));
  await expectNoLeaks(before);
});

const addressOf = ({ PrivateIpAddress = '' }: Instance): string => PrivateIpAddress;
const macOf = ({ NetworkInterfaces }: Instance): string => NetworkInterfaces?.[0]?.MacAddress ?? '';
const gateway = (): string => addressOf(liar).replace(/\d+$/, '1');
/** What answers on a port of an address, seen from a guest: a shell command. */
const call = (address: string, port = 7777): string =>
  `(nc -w 3 ${address} ${port} </dev/null 2>/dev/null | grep . || echo nobody)`;

async function inLiar(...commands: readonly string[]): Promise<readonly string[]> {
  return (await cloud.inGuest('liar', commands.join('; '))).split('\n');
}

/** Runs commands that cut the guest off, and others that heal it, while nobody is connected. */
async function cutOff(attack: readonly string[], heal: readonly string[]): Promise<void> {
  const script = `(${attack.join('; ')}) >/dev/null 2>&1; ${heal.join('; ')}; touch /run/healed`;
  const start = `rm -f /run/healed; cat >/run/attack <<'END'\n${script}\nEND\nsetsid sh -c 'usleep 500000; sh /run/attack' >/dev/null 2>&1 </dev/null &`;
  await cloud.inGuest('liar', start);
  await cloud.inGuest('liar', 'for i in $(seq 100); do [ -e /run/healed ] && break; usleep 100000; done');
}

test('guests of one group reach each other as who they are', async () => {
  expect(await inLiar(call(addressOf(neighbour)))).toEqual([
    expect.stringContaining(neighbour.InstanceId ?? ''),
  ]);
});

describe('a guest cannot pass for another', () => {
  test('by its MAC', async () => {
    const known = await pings();
    const attack = ['02:00:00:00:00:99', macOf(neighbour)].flatMap((mac) => [
      `ip link set eth0 address ${mac}`,
      ping(addressOf(neighbour)),
    ]);
    await cutOff(attack, [`ip link set eth0 address ${macOf(liar)}`]);
    expect(await pings()).toBe(known);
    await inLiar(ping(addressOf(neighbour)));
    expect(await pings()).toBe(known + 1);
  });

  test('by its IP address', async () => {
    const known = await pings();
    const unused = addressOf(liar).replace(/\d+$/, '99');
    const attack = [gateway(), unused, '198.51.100.7'].flatMap((address) => [
      `ip addr add ${address}/32 dev eth0`,
      ping(addressOf(neighbour), address),
      `ip addr del ${address}/32 dev eth0`,
    ]);
    await inLiar(...attack);
    expect(await pings()).toBe(known);
    await inLiar(ping(addressOf(neighbour), addressOf(liar)));
    expect(await pings()).toBe(known + 1);
  });

  test('to the metadata service', async () => {
    const script = withAddress(addressOf(neighbour), call('169.254.169.254', 80));
    await cutOff([`(${script}) >/run/answer 2>/dev/null`], ['true']);
    expect(await inLiar('cat /run/answer')).toEqual(['nobody']);
  });

  /** Has this address only, for one command. */
  const withAddress = (address: string, command: string): string =>
    [
      `ip addr del ${addressOf(liar)}/20 dev eth0`,
      `ip addr add ${address}/20 dev eth0`,
      `ip route add default via ${gateway()}`,
      command,
      `ip addr del ${address}/20 dev eth0`,
      `ip addr add ${addressOf(liar)}/20 dev eth0`,
      `ip route add default via ${gateway()}`,
    ].join('; ');
  const ping = (to: string, from?: string): string =>
    `ping -c 1 -W 1 ${from === undefined ? '' : `-I ${from}`} ${to} >/dev/null`;
  /** How often the neighbour was pinged. */
  const pings = async (): Promise<number> =>
    Number(
      await cloud.inGuest('neighbour', `awk '/^Icmp:/ { count = $10 } END { print count }' /proc/net/snmp`),
    );

  test('by ARP', async () => {
    const claims = ['-U', '-A', ''].map(
      (kind) => `arping -q -c 2 -w 3 ${kind} -s ${addressOf(neighbour)} -I eth0 ${gateway()}; echo $?`,
    );
    const said = await inLiar(
      `ip addr add ${addressOf(neighbour)}/32 dev eth0`,
      ...claims,
      `ip addr del ${addressOf(neighbour)}/32 dev eth0`,
      call(addressOf(neighbour)),
    );
    // Nobody answers what is asked in the neighbour's name.
    expect(said.slice(2)).toEqual(['1', expect.stringContaining(neighbour.InstanceId ?? '')]);
    expect(await cloud.inGuest('neighbour', `arp -n ${gateway()}; hostname`)).not.toContain(macOf(liar));
  });

  test('by speaking straight to a neighbour’s MAC', async () => {
    const said = await inLiar(
      `arp -s ${addressOf(neighbour)} ${macOf(neighbour)}`,
      call(addressOf(neighbour)),
      `arp -d ${addressOf(neighbour)}`,
      call(addressOf(neighbour)),
    );
    expect(said).toEqual(['nobody', expect.stringContaining(neighbour.InstanceId ?? '')]);
  });
});

test('a guest’s broadcasts and multicasts reach no other guest', async () => {
  const heard = `awk '/^IpExt/ { if (names) for (i = 1; i <= NF; i++) { if (n[i] ~ /^In(Mc|Bc)astPkts$/) print n[i], $i } else split($0, n); names = 1 }' /proc/net/netstat; awk '/Ip6In(Mc|Bc)ast|Icmp6InEchos/ { print }' /proc/net/snmp6`;
  const count = async (): Promise<string> => cloud.inGuest('neighbour', heard);
  const known = await count();
  expect(known).toContain('InBcastPkts');
  await inLiar(
    'traceroute -n -q 1 -m 1 -w 1 224.0.0.251 >/dev/null 2>&1',
    'ping -c 2 -W 1 255.255.255.255 >/dev/null',
    'ping6 -c 2 -W 1 -I eth0 ff02::1 >/dev/null',
    'ping -c 2 -W 1 224.0.0.1 >/dev/null',
    'udhcpc -i eth0 -n -q -t 2 -T 1 -s /bin/true >/dev/null 2>&1',
    `arping -q -c 2 -w 2 -U -s ${addressOf(liar)} -I eth0 ${addressOf(liar)}`,
    'true',
  );
  expect(await count()).toBe(known);
});

describe('a guest does not reach', () => {
  test('this host’s services, by none of its addresses', async () => {
    const { port } = service.address() as AddressInfo;
    const { stdout } = await execa('ip', ['-j', '-4', 'addr', 'show']);
    const links = JSON.parse(stdout) as { ifname: string; addr_info: { local: string }[] }[];
    const own = linkName('bnv', liar.VpcId ?? '');
    const addresses = links
      .filter(({ ifname }) => ifname === own || !/^(lo|bnv)/.test(ifname))
      .flatMap(({ addr_info: info }) => info.map(({ local }) => local));
    expect(addresses.length).toBeGreaterThan(0);
    const ports = [port, 22, 53, 80, 111, 443];
    const tries = addresses.flatMap((address) => ports.map((each) => `${call(address, each)} &`));
    const said = await cloud.inGuest('liar', `${tries.join(' ')} wait`);
    expect(new Set(said.split('\n'))).toEqual(new Set(['nobody']));
  });

  test('another VPC, by its addresses or its router’s', async () => {
    expect(await cloud.inGuest('stranger', call('127.0.0.1'))).toContain(stranger.InstanceId);
    const targets = [addressOf(stranger), '172.16.8.1', '172.16.0.2', await routerAddress(stranger)];
    const tries = targets.flatMap((address) => [
      ...[7777, 22, 53, 80].map((port) => `${call(address, port)} &`),
      `(ping -c 1 -W 2 ${address} >/dev/null && echo pong || echo nobody) &`,
    ]);
    const said = await cloud.inGuest('liar', `${tries.join(' ')} wait`);
    expect(new Set(said.split('\n'))).toEqual(new Set(['nobody']));
  });

  test('any socket of the agent or of a machine: the network has none but for names, leases and metadata', async () => {
    const pids = [liar, neighbour, stranger].map(({ InstanceId = '' }) => cloud.qemuPid(InstanceId));
    const sockets = (await execa('ss', ['-Hlxp'])).stdout.split('\n');
    const [, agent] =
      /pid=(\d+)/.exec(sockets.find((line) => line.includes(cloud.layout.agent.socket)) ?? '') ?? [];
    expect(agent).toBeDefined();
    const onHost = (await execa('ss', ['-Hlntup'])).stdout;
    for (const pid of [...pids, agent]) expect(onHost).not.toContain(`pid=${pid},`);
    for (const { VpcId = '' } of [liar, stranger]) {
      const inside = await execa('nsenter', [`--net=${namedNamespace(VpcId).file}`, 'ss', '-Hlntup']);
      const local = inside.stdout.split('\n').map((line) => line.split(/\s+/)[4] ?? '');
      expect(local.filter((each) => !/:(53|67)$/.test(each))).toEqual(['169.254.169.254:80']);
      for (const pid of pids) expect(inside.stdout).not.toContain(`pid=${pid},`);
    }
  });
});

describe('the metadata service', () => {
  const ask = (method: string, path: string, header: string): string =>
    `printf '${method} ${path} HTTP/1.1\\r\\nHost: x\\r\\n${header}\\r\\n\\r\\n' | nc -w 5 169.254.169.254 80 | tr -d '\\r'`;
  const token = ask('PUT', '/latest/api/token', 'X-aws-ec2-metadata-token-ttl-seconds: 60');
  const withToken = (text: string): string =>
    ask('GET', '/latest/meta-data/instance-id', `X-aws-ec2-metadata-token: ${text}`);

  test('answers each instance about itself, and nobody by another’s token', async () => {
    const ownToken = async ({ InstanceId: id = '' }: Instance): Promise<string> => {
      const own = (await cloud.inGuest(id, token)).split('\n').at(-1) ?? '';
      expect(await cloud.inGuest(id, withToken(own))).toMatch(new RegExp(`^HTTP/1.1 200[^]*${id}$`));
      return own;
    };
    const [, others = '', strangers = ''] = await Promise.all([liar, neighbour, stranger].map(ownToken));
    const said = await cloud.inGuest('liar', [others, strangers].map(withToken).join('; '));
    expect(said.match(/^HTTP\/1\.1 (\d+)/gm)).toEqual(['HTTP/1.1 401', 'HTTP/1.1 401']);
  });

  test('lets a token travel one hop, however it is asked for', async () => {
    const inside = ['nsenter', `--net=${namedNamespace(liar.VpcId ?? '').file}`, 'nft'] as const;
    const probe = async (...args: readonly string[]): Promise<string> =>
      (await execa(inside[0], [...inside.slice(1), ...args])).stdout;
    const rule = (hops: string): string =>
      `add rule inet probe out ip saddr 169.254.169.254 ip daddr ${addressOf(liar)} tcp sport 80 @ih,0,32 0x48545450 ip ttl ${hops} counter`;
    await probe(
      'add table inet probe; add chain inet probe out { type filter hook postrouting priority 300; }',
    );
    for (const hops of ['1', '!= 1']) await probe(rule(hops));
    const cut = token.replace("printf 'PUT ", "(printf 'PU'; sleep 1; printf 'T ").replace(' | nc', ') | nc');
    await inLiar(`${token} >/dev/null`, `${cut} >/dev/null`, `${withToken('x')} >/dev/null`, 'true');
    const counted = (await probe('list', 'table', 'inet', 'probe')).match(/counter packets \d+/g);
    await probe('delete', 'table', 'inet', 'probe');
    expect(counted).toEqual(['counter packets 2', 'counter packets 1']);
  });
});

/** The address of a VPC's router on its uplink. */
async function routerAddress({ VpcId = '' }: Instance): Promise<string> {
  const { stdout } = await execa('nsenter', [
    `--net=${namedNamespace(VpcId).file}`,
    ...['ip', '-j', '-4', 'addr', 'show', 'up0'],
  ]);
  const [link] = JSON.parse(stdout) as { addr_info: { local: string }[] }[];
  return link?.addr_info[0]?.local ?? '';
}
