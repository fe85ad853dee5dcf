// The guest's side by the programs of Debian, the host's side by ours: two network namespaces with a cable between.
import { execa } from 'execa';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listenInNamespace } from '../../src/host/agent/listener.ts';
import { namedNamespace } from '../../src/host/link/namespace.ts';
import { signedIdentity } from '../../src/imds/identity-document.ts';
import type { InstanceMetadata } from '../../src/imds/instance-metadata.ts';
import { signPkcs7 } from '../../src/imds/pkcs7.ts';
import { serveOn } from '../../src/imds/server.ts';
import { expectNoLeaks, type Snapshot, snapshot } from '../support/leaks.ts';
import { fullInstance, newHomeIdentity } from '../support/metadata-service.ts';

const HELPER = fileURLToPath(new URL('../../dist/listen-helper.js', import.meta.url));
const CRAWL = fileURLToPath(new URL('crawl.py', import.meta.url));
const IS_ROOT = process.getuid?.() === 0;
const IS_BUILT = existsSync(HELPER);
const CAN_SERVE = IS_ROOT && IS_BUILT;
const CAN_CRAWL = CAN_SERVE && existsSync('/usr/lib/python3/dist-packages/cloudinit');
const CAN_CURL = CAN_SERVE && existsSync('/usr/bin/curl');

const TAG = randomBytes(4).toString('hex');
const HOST = `bonami-test-${TAG}-h`;
const GUEST = `bonami-test-${TAG}-g`;
const IMDS = 'http://169.254.169.254';
/** Bytes that are no UTF-8, and a NUL. */
const USER_DATA = Buffer.concat([Buffer.from('1f8b0800', 'hex'), randomBytes(8000)]);
const TAGS = { Name: 'web 1', 'team@a+b': 'x', stage: 'test', 'stage=old': 'y' };
const FULL = fullInstance({ userData: USER_DATA, tags: TAGS });
const [primary] = FULL.interfaces;

let before: Snapshot;
let folder: string;
let instance: InstanceMetadata = FULL;
const seen: (readonly [path: string, status: number])[] = [];
let stop: () => void = () => undefined;

beforeAll(async () => {
  before = await snapshot();
  folder = mkdtempSync(join(tmpdir(), 'bonami-crawl-'));
  if (!CAN_SERVE) return;
  const ip = async (...args: readonly string[]): Promise<unknown> => execa('ip', args);
  const [mac = '', address = ''] = [primary?.mac, primary?.addresses[0]];
  for (const name of [HOST, GUEST]) {
    await ip('netns', 'add', name);
    await ip('-n', name, 'link', 'set', 'lo', 'up');
  }
  const peer = ['peer', 'name', 'ens3', 'address', mac, 'netns', GUEST];
  await ip('link', 'add', 'vpc0', 'netns', HOST, 'type', 'veth', ...peer);
  await ip('-n', HOST, 'address', 'add', '169.254.169.254/32', 'dev', 'lo');
  await ip('-n', HOST, 'address', 'add', '172.31.0.1/16', 'dev', 'vpc0');
  await ip('-n', HOST, 'link', 'set', 'vpc0', 'up');
  // The second address is a stranger's.
  for (const each of [address, '172.31.0.99'])
    await ip('-n', GUEST, 'address', 'add', `${each}/16`, 'dev', 'ens3');
  await ip('-n', GUEST, 'link', 'set', 'ens3', 'up');
  // No default route: looking up names fails at once and not after a time.
  await ip('-n', GUEST, 'route', 'add', '169.254.169.254', 'via', '172.31.0.1', 'src', address);
  const socket = await listenInNamespace({
    namespace: namedNamespace(HOST),
    address: '169.254.169.254',
    port: 80,
    helper: HELPER,
  });
  const home = newHomeIdentity();
  stop = serveOn(socket, {
    instanceAt: (asking) => (asking === address ? instance : undefined),
    identityOf: (of) => signedIdentity(of, home, signPkcs7),
    tokenKey: { key: randomBytes(32), uptime: () => performance.now() / 1000 },
    onRequest: (_instanceId, path, status) => seen.push([path, status]),
  });
});

afterAll(async () => {
  stop();
  rmSync(folder, { recursive: true, force: true });
  // Whatever was made: the one namespace may be missing, the other must go.
  for (const name of [HOST, GUEST]) await execa('ip', ['netns', 'delete', name], { reject: false });
  await expectNoLeaks(before);
});

async function inGuest(
  ...command: readonly string[]
): Promise<{ readonly code: number; readonly out: string }> {
  const { exitCode, stdout } = await execa('ip', ['netns', 'exec', GUEST, ...command], {
    reject: false,
    timeout: 60_000,
    stderr: 'inherit',
  });
  return { code: exitCode ?? -1, out: stdout };
}

async function cloudInit(what: 'crawl' | 'boot'): Promise<Record<string, unknown>> {
  const { code, out } = await inGuest('/usr/bin/python3', CRAWL, what, folder);
  expect(code).toBe(0);
  return JSON.parse(out) as Record<string, unknown>;
}

/** What cloud-init makes of the tree: a dictionary for a directory, a list for a leaf of several lines. */
function expectedTree(): Record<string, unknown> {
  const macs = FULL.interfaces.map((each) => [
    each.mac,
    {
      'device-number': String(each.deviceIndex),
      'interface-id': each.interfaceId,
      'local-hostname': each.hostname,
      'local-ipv4s': leaf(each.addresses),
      mac: each.mac,
      'owner-id': FULL.accountId,
      'security-group-ids': leaf(each.securityGroups.map(({ id }) => id)),
      'security-groups': leaf(each.securityGroups.map(({ name }) => name)),
      'subnet-id': each.subnetId,
      'subnet-ipv4-cidr-block': each.subnetCidr,
      'vpc-id': each.vpcId,
      'vpc-ipv4-cidr-block': each.vpcCidr,
      'vpc-ipv4-cidr-blocks': each.vpcCidr,
      'vpc-ipv6-cidr-blocks': each.vpcIpv6Cidr,
      ...(each === primary
        ? {
            'ipv4-associations': { '198.51.100.10': '172.31.0.10', '198.51.100.20': '172.31.0.20' },
            ipv6s: leaf(each.ipv6Addresses),
            'public-hostname': 'ec2-198-51-100-10.compute-1.amazonaws.com',
            'public-ipv4s': leaf(each.publicAddresses.map(({ publicIp }) => publicIp)),
            'subnet-ipv6-cidr-blocks': each.subnetIpv6Cidr,
          }
        : {}),
    },
  ]);
  return {
    'ami-id': FULL.imageId,
    'ami-launch-index': '2',
    'ami-manifest-path': '(unknown)',
    'block-device-mapping': {
      ami: '/dev/xvda',
      ebs1: 'sdf',
      ebs2: 'sdg',
      ephemeral0: 'sdb',
      root: '/dev/xvda',
    },
    events: { maintenance: { history: '[]', scheduled: '[]' } },
    hostname: FULL.hostname,
    'instance-action': 'none',
    'instance-id': FULL.instanceId,
    'instance-life-cycle': 'on-demand',
    'instance-type': FULL.instanceType,
    ipv6: primary?.ipv6Addresses[0],
    'local-hostname': FULL.hostname,
    'local-ipv4': primary?.addresses[0],
    mac: primary?.mac,
    metrics: { vhostmd: '<?xml version="1.0" encoding="UTF-8"?>' },
    network: { interfaces: { macs: Object.fromEntries(macs) as unknown } },
    placement: { 'availability-zone': 'us-east-1b', 'availability-zone-id': 'use1-az2', region: 'us-east-1' },
    profile: 'default-hvm',
    'public-hostname': 'ec2-198-51-100-10.compute-1.amazonaws.com',
    'public-ipv4': '198.51.100.10',
    'public-keys': { 'my-key': FULL.publicKey?.line },
    'reservation-id': FULL.reservationId,
    'security-groups': leaf(FULL.securityGroups.map(({ name }) => name)),
    services: { domain: 'amazonaws.com', partition: 'aws' },
    system: 'nitro',
    tags: { instance: TAGS },
  };
}

function leaf(lines: readonly string[]): unknown {
  return lines.length === 1 ? lines[0] : lines;
}

describe('cloud-init (needs root, a built dist and python3 with cloudinit)', () => {
  test.skipIf(!CAN_CRAWL)('crawls everything that was configured, and nothing without a token', async () => {
    instance = FULL;
    seen.length = 0;
    const found = await cloudInit('crawl');
    expect(found['metaData']).toEqual(expectedTree());
    expect(found['userData']).toBe(USER_DATA.toString('base64'));
    expect(found['identity']).toMatchObject({
      document: {
        instanceId: FULL.instanceId,
        privateIp: primary?.addresses[0],
        pendingTime: '2026-01-02T03:04:05Z',
      },
      signature: expect.stringMatching(/^[\w+/]{342}==$/),
    });
    expect(found['withoutToken']).toEqual({});
    // The one refusal is of the request without a token.
    expect(seen.length).toBeGreaterThan(100);
    expect(seen.filter(([, status]) => status !== 200)).toEqual([['/2021-03-23/meta-data/', 401]]);
  });

  test.skipIf(!CAN_CRAWL)('crawls an instance that has no key, no tags and no user data', async () => {
    const options = { ...FULL.options, instanceMetadataTags: 'disabled' } as const;
    instance = fullInstance({ userData: undefined, publicKey: undefined, otherDevices: [], options });
    seen.length = 0;
    const found = await cloudInit('crawl');
    const { tags: _tags, 'public-keys': _keys, ...rest } = expectedTree();
    expect(found['metaData']).toEqual({
      ...rest,
      'block-device-mapping': { ami: '/dev/xvda', ephemeral0: 'sdb', root: '/dev/xvda' },
    });
    expect(found['userData']).toBeNull();
    expect(seen.filter(([, status]) => status === 404)).toEqual([['/2021-03-23/user-data', 404]]);
  });

  test.skipIf(!CAN_CRAWL)(
    'finds its instance as its EC2 datasource, and configures the interface by its MAC, with all its addresses',
    async () => {
      instance = FULL;
      expect(await cloudInit('boot')).toMatchObject({
        instanceId: FULL.instanceId,
        hostname: FULL.hostname,
        keys: [FULL.publicKey?.line],
        zone: 'us-east-1b',
        region: 'us-east-1',
        userData: USER_DATA.toString('base64'),
        network: {
          version: 2,
          ethernets: {
            ens3: {
              dhcp4: true,
              dhcp6: true,
              // The first of each family comes by DHCP.
              addresses: ['172.31.0.20/20', 'fd00:1:2:300::b/128'],
              match: { macaddress: primary?.mac },
              'set-name': 'ens3',
            },
          },
        },
      });
    },
  );
});

describe('curl (needs root, a built dist and curl)', () => {
  const curl = async (...args: readonly string[]): ReturnType<typeof inGuest> =>
    inGuest('/usr/bin/curl', '--fail', '--silent', '--max-time', '10', ...args);

  test.skipIf(!CAN_CURL)('gets a token and reads with it, and fails without', async () => {
    instance = FULL;
    const ttl = 'X-aws-ec2-metadata-token-ttl-seconds: 21600';
    const token = await curl('-X', 'PUT', '-H', ttl, `${IMDS}/latest/api/token`);
    expect(token.code).toBe(0);
    const header = ['-H', `X-aws-ec2-metadata-token: ${token.out}`];
    expect(await curl(...header, `${IMDS}/latest/meta-data/instance-id`)).toEqual({
      code: 0,
      out: FULL.instanceId,
    });
    // 22: the server answered with an error.
    expect((await curl(`${IMDS}/latest/meta-data/instance-id`)).code).toBe(22);
    expect((await curl(...header, `${IMDS}/latest/meta-data/nothing`)).code).toBe(22);
    expect((await curl('-X', 'PUT', `${IMDS}/latest/api/token`)).code).toBe(22);
    const file = join(folder, 'user-data');
    expect((await curl(...header, '-o', file, `${IMDS}/latest/user-data`)).code).toBe(0);
    expect(readFileSync(file).equals(USER_DATA)).toBe(true);
  });

  test.skipIf(!CAN_CURL)("gets nothing from an address that is no instance's", async () => {
    // 52: the server said nothing; 56: it reset the connection.
    const { code, out } = await curl('--interface', '172.31.0.99', `${IMDS}/latest/meta-data/`);
    expect([52, 56]).toContain(code);
    expect(out).toBe('');
  });
});
