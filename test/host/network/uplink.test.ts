// The way out, with a namespace beyond the host in place of the internet.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OWN_NAMESPACE } from '../../../src/host/link/namespace.ts';
import { hostNetworks, UPLINK_POOL } from '../../../src/host/link/uplink.ts';
import { containsAddress, formatCidr, overlaps, parseCidr, parseIpv4 } from '../../../src/core/cidr.ts';
import { linkName } from '../../../src/core/link-name.ts';
import { authorizeSecurityGroupIngress } from '../../../src/ec2/security-groups/authorize-security-group-ingress.ts';
import { bridgeMac } from '../../../src/ec2/vpcs/router-spec.ts';
import type { Guest } from '../../support/guest.ts';
import { Conversation, tool } from '../../support/guest-tool.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { PrivateCloud } from '../../support/private-cloud.ts';

/** Addresses for benchmarks (RFC 2544), which no internet has. */
const HOST = '198.18.77.1';
const OUTSIDE = '198.18.77.2';
const outside = `bonami-outside-${randomBytes(3).toString('hex')}`;
const link = `bno${randomBytes(4).toString('hex')}`;

let before: Snapshot;
const services: Conversation[] = [];

async function serve(namespace: string | undefined, port: number): Promise<void> {
  const service = new Conversation(namespace, ['serve', String(port)]);
  services.push(service);
  await service.next();
}

beforeAll(async () => {
  before = await snapshot();
  const ip = (...args: string[]): unknown => execFileSync('ip', args);
  ip('netns', 'add', outside);
  ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', outside);
  ip('addr', 'add', `${HOST}/30`, 'dev', link);
  ip('link', 'set', link, 'up');
  ip('-n', outside, 'addr', 'add', `${OUTSIDE}/30`, 'dev', 'eth0');
  ip('-n', outside, 'link', 'set', 'eth0', 'up');
  await serve(outside, 7000);
  await serve(undefined, 7077);
});
afterAll(async () => {
  await PrivateCloud.closeAll();
  for (const service of services) await service.close();
  execFileSync('ip', ['link', 'del', link]);
  execFileSync('ip', ['netns', 'del', outside]);
  await expectNoLeaks(before);
});

function hostSide({ vpc }: PrivateCloud): string {
  const text = execFileSync('ip', ['-j', '-4', 'addr', 'show', linkName('bnv', vpc.vpcId)], {
    encoding: 'utf8',
  });
  const [entry] = JSON.parse(text) as { addr_info: { local: string }[] }[];
  return entry?.addr_info[0]?.local ?? '';
}

function hostMac(): string {
  return readFileSync(`/sys/class/net/${link}/address`, 'utf8').trim();
}

describe.each([
  { internet: true, seen: `open ${HOST}`, name: 'with an internet gateway' },
  { internet: false, seen: 'silent', name: 'without an internet gateway' },
])('$name', ({ internet, seen }) => {
  let cloud: PrivateCloud;
  let guest: Guest;
  beforeAll(async () => {
    cloud = await PrivateCloud.open({ internet });
    guest = await cloud.boot();
  });
  afterAll(async () => cloud.close());

  test(`a guest that calls the outside is ${internet ? 'seen as this host' : 'not heard'}`, async () => {
    expect(await guest.connects(OUTSIDE, 7000)).toBe(seen);
  });

  test('a guest reaches no service of this host, by none of its addresses', async () => {
    expect(await tool(undefined, 'connect', HOST, '7077')).toBe(`open ${HOST}`);
    for (const address of [HOST, hostSide(cloud)]) {
      expect(await guest.connects(address, 7077)).toBe('silent');
      expect(await guest.pings(address)).toBe('silent');
    }
  });

  test('the outside reaches no guest', async () => {
    await guest.starts('serve', '22');
    execFileSync('ip', ['-n', outside, 'route', 'replace', cloud.vpc.cidrBlock, 'via', HOST]);
    expect(await tool(undefined, 'connect', guest.address, '22')).toMatch(/^open /);
    expect(await tool(outside, 'connect', guest.address, '22')).toBe('silent');
  });

  test('the outside can pass neither for a guest nor for this host', async () => {
    const neighbour = await cloud.boot();
    await authorizeSecurityGroupIngress(cloud.home.ctx, {
      GroupId: cloud.defaultGroup,
      IpPermissions: [
        { IpProtocol: 'udp', FromPort: 7000, ToPort: 7000, IpRanges: [{ CidrIp: UPLINK_POOL }] },
        { IpProtocol: 'udp', FromPort: 7000, ToPort: 7000, IpRanges: [{ CidrIp: '198.18.0.0/15' }] },
      ],
    });
    const heard = await guest.starts('hear-datagrams', '7000');
    const fromOutside = async (from: string, text: string): Promise<unknown> =>
      tool(outside, 'send-udp', hostMac(), '02:00:00:00:00:77', from, '7000', guest.address, '7000', text);
    // Not in its own name either: a private address is nobody's to route to.
    for (const from of [neighbour.address, '169.254.97.5', OUTSIDE]) await fromOutside(from, 'forged');
    await neighbour.does(
      ...['send-udp', bridgeMac(cloud.subnet().subnetId), neighbour.mac, neighbour.address, '7000'],
      ...[guest.address, '7000', 'last'],
    );
    expect(await heard.next()).toBe(`last from ${neighbour.address}`);
  });

  test('this host reaches the guest from the uplink’s own network', async () => {
    const uplink = parseIpv4(hostSide(cloud));
    expect(uplink !== undefined && containsAddress(parseCidr(UPLINK_POOL), uplink)).toBe(true);
    expect(await tool(undefined, 'ping', guest.address)).toBe('answered');
  });
});

test('two VPCs have addresses of their own and are strangers, though both have a way out', async () => {
  const taken = (await hostNetworks(OWN_NAMESPACE)).map(({ cidr }) => cidr);
  const clouds = [
    await PrivateCloud.open({ internet: true }),
    await PrivateCloud.open({ internet: true }),
  ] as const;
  for (const { vpc } of clouds)
    expect(taken.filter((each) => overlaps(each, parseCidr(vpc.cidrBlock))).map(formatCidr)).toEqual([]);
  expect(clouds[1].vpc.cidrBlock).not.toBe(clouds[0].vpc.cidrBlock);
  expect(hostSide(clouds[1])).not.toBe(hostSide(clouds[0]));
  const guests = [await clouds[0].boot(), await clouds[1].boot()] as const;
  await guests[1].starts('serve', '22');
  expect(await tool(undefined, 'connect', guests[1].address, '22')).toMatch(/^open /);
  expect(await guests[0].connects(guests[1].address, 22)).toBe('silent');
  expect(await guests[0].pings(guests[1].address)).toBe('silent');
  for (const cloud of clouds) await cloud.close();
});
