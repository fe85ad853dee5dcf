import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { InstanceMetadata } from '../../../src/imds/instance-metadata.ts';
import {
  fullInstance,
  metadataService,
  INTERFACES,
  newHomeIdentity,
  type TestMetadata,
} from '../../support/metadata-service.ts';

const home = newHomeIdentity();
const OPEN = { ...fullInstance().options, httpTokens: 'optional' } as const;
const FULL = fullInstance({ options: OPEN });
/** Keys with every character that EC2 allows in metadata, and two that look like a list of public keys. */
const ODD_TAGS = { a: '1', 'a=b': '2', 'a+b=c,d:e@f_g.h-i': '3', constructor: '4' };
const SMALL = fullInstance({
  options: { ...OPEN, instanceMetadataTags: 'disabled' },
  publicKey: undefined,
  userData: undefined,
  otherDevices: [],
  instanceStore: [],
  interfaces: INTERFACES.slice(1),
});

let service: TestMetadata;
beforeEach(async () => (service = await metadataService(home)));
afterEach(() => service.close());

async function textAt(of: InstanceMetadata, path: string): Promise<string | number> {
  service.callers.set('127.0.0.1', of);
  const { status, text } = await service.ask(path);
  return status === 200 ? text : status;
}

/** Every path that the listings below `directory` lead to, and what it answered; a directory answers its names. */
async function walk(directory: string): Promise<ReadonlyMap<string, string>> {
  const listing = await service.ask(directory);
  const found = new Map([[directory, listing.text]]);
  expect([directory, listing.status, listing.headers['content-type']]).toEqual([
    directory,
    200,
    'text/plain',
  ]);
  for (const name of listing.text.split('\n').filter(Boolean)) {
    if (name.endsWith('/')) {
      for (const [path, text] of await walk(`${directory}${name}`)) found.set(path, text);
      continue;
    }
    const leaf = await service.ask(`${directory}${name}`);
    expect([directory, name, leaf.status]).toEqual([directory, name, 200]);
    found.set(`${directory}${name}`, leaf.text);
  }
  return found;
}

describe('every listed name resolves', () => {
  test.each([
    ['full', FULL, 80],
    ['small', SMALL, 50],
    ['tagged with odd names', fullInstance({ options: OPEN, tags: ODD_TAGS }), 80],
  ])('for a %s instance', async (_kind, of, atLeast) => {
    service.callers.set('127.0.0.1', of);
    const found = new Map([...(await walk('/latest/meta-data/')), ...(await walk('/latest/dynamic/'))]);
    expect(found.size).toBeGreaterThan(atLeast);
    expect([...found].filter(([path, text]) => text === '' && !path.includes('/public-keys/0='))).toEqual([]);
    // Nothing beside what is listed: a leaf is no directory, a directory has no other name.
    for (const path of found.keys()) {
      const beside = path.endsWith('/') ? `${path}not-listed` : `${path}/not-listed`;
      expect([beside, (await service.ask(beside)).status]).toEqual([beside, 404]);
    }
  });

  test('also right below a version, where EC2 writes no slashes', async () => {
    expect(await textAt(FULL, '/latest/')).toBe('dynamic\nmeta-data\nuser-data');
    for (const name of ['dynamic', 'meta-data', 'user-data'])
      expect(await textAt(FULL, `/latest/${name}`)).not.toBe(404);
    expect(await textAt(SMALL, '/latest/')).toBe('dynamic\nmeta-data');
  });
});

describe('meta-data', () => {
  test('lists names in order, directories with a slash, and ends without a newline', async () => {
    const names =
      'ami-id ami-launch-index ami-manifest-path block-device-mapping/ events/ hostname instance-action instance-id ' +
      'instance-life-cycle instance-type ipv6 local-hostname local-ipv4 mac metrics/ network/ placement/ profile ' +
      'public-hostname public-ipv4 public-keys/ reservation-id security-groups services/ system tags/';
    expect(await textAt(FULL, '/latest/meta-data/')).toBe(names.replaceAll(' ', '\n'));
  });

  test.each([
    ['ami-id', 'ami-0aaaaaaaaaaaaaaaa'],
    ['ami-launch-index', '2'],
    ['ami-manifest-path', '(unknown)'],
    ['block-device-mapping/', 'ami\nebs1\nebs2\nephemeral0\nroot'],
    ['block-device-mapping/root', '/dev/xvda'],
    ['block-device-mapping/ebs2', 'sdg'],
    ['events/maintenance/scheduled', '[]'],
    ['hostname', 'ip-172-31-0-10.ec2.internal'],
    ['instance-id', 'i-0aaaaaaaaaaaaaaaa'],
    ['instance-type', 't3.small'],
    ['local-ipv4', '172.31.0.10'],
    ['mac', '02:00:ac:1f:00:0a'],
    ['network/interfaces/macs/', '02:00:ac:1f:00:0a/\n02:00:ac:1f:00:0b/'],
    ['network/interfaces/macs/02:00:ac:1f:00:0b/device-number', '1'],
    ['network/interfaces/macs/02:00:ac:1f:00:0a/owner-id', '123456789012'],
    [
      'network/interfaces/macs/02:00:ac:1f:00:0a/security-group-ids',
      'sg-0aaaaaaaaaaaaaaaa\nsg-0bbbbbbbbbbbbbbbb',
    ],
    ['network/interfaces/macs/02:00:ac:1f:00:0a/subnet-ipv4-cidr-block', '172.31.0.0/20'],
    ['network/interfaces/macs/02:00:ac:1f:00:0a/vpc-ipv4-cidr-block', '172.31.0.0/16'],
    ['placement/availability-zone', 'us-east-1b'],
    ['placement/availability-zone-id', 'use1-az2'],
    ['placement/region', 'us-east-1'],
    ['public-keys/', '0=my-key'],
    ['public-keys/0/', 'openssh-key'],
    ['public-keys/0/openssh-key', FULL.publicKey?.line],
    ['reservation-id', 'r-0aaaaaaaaaaaaaaaa'],
    ['security-groups', 'default\nweb servers'],
    ['services/domain', 'amazonaws.com'],
    ['tags/instance/', 'Name\nstage'],
    ['tags/instance/Name', 'web 1'],
  ])('%s is what was configured', async (path, value) => {
    expect(await textAt(FULL, `/2021-03-23/meta-data/${path}`)).toBe(value);
  });

  test.each([
    'public-keys',
    'public-keys/0/openssh-key',
    'ipv6',
    'public-ipv4',
    'public-hostname',
    'tags',
    'tags/instance/Name',
    'block-device-mapping/ebs1',
  ])('has no %s when it does not apply', async (path) => {
    expect(await textAt(FULL, `/latest/meta-data/${path}`)).not.toBe(404);
    expect(await textAt(SMALL, `/latest/meta-data/${path}`)).toBe(404);
  });

  test.each([
    'managed-ssh-keys/active-keys/admin/',
    'iam',
    'spot/instance-action',
    'constructor',
    '__proto__',
  ])('%s is not there', async (path) => {
    expect(await textAt(FULL, `/latest/meta-data/${path}`)).toBe(404);
  });
});

describe('network/interfaces/macs', () => {
  const at = async (mac: string, name: string): Promise<string | number> =>
    textAt(FULL, `/latest/meta-data/network/interfaces/macs/${mac}/${name}`);
  const [first, second] = INTERFACES;

  test.each([
    ['device-number', '0'],
    ['interface-id', 'eni-0aaaaaaaaaaaaaaaa'],
    ['ipv4-associations/', '198.51.100.10\n198.51.100.20'],
    ['ipv4-associations/198.51.100.10', '172.31.0.10'],
    ['ipv4-associations/198.51.100.20', '172.31.0.20'],
    ['ipv6s', 'fd00:1:2:300::a\nfd00:1:2:300::b'],
    ['local-hostname', 'ip-172-31-0-10.ec2.internal'],
    ['local-ipv4s', '172.31.0.10\n172.31.0.20'],
    ['public-hostname', 'ec2-198-51-100-10.compute-1.amazonaws.com'],
    ['public-ipv4s', '198.51.100.20\n198.51.100.10'],
    ['security-group-ids', 'sg-0aaaaaaaaaaaaaaaa\nsg-0bbbbbbbbbbbbbbbb'],
    ['subnet-ipv4-cidr-block', '172.31.0.0/20'],
    ['subnet-ipv6-cidr-blocks', 'fd00:1:2:300::/64'],
    ['vpc-ipv4-cidr-blocks', '172.31.0.0/16'],
    ['vpc-ipv6-cidr-blocks', 'fd00:1:2:300::/56'],
  ])('the first one has its own %s', async (name, value) => {
    expect(await at(first.mac, name)).toBe(value);
  });

  test.each([
    ['device-number', '1'],
    ['interface-id', 'eni-0bbbbbbbbbbbbbbbb'],
    ['ipv4-associations', 404],
    ['ipv6s', 404],
    ['local-hostname', 'ip-172-31-16-11.ec2.internal'],
    ['local-ipv4s', '172.31.16.11'],
    ['public-hostname', 404],
    ['public-ipv4s', 404],
    ['security-group-ids', 'sg-0bbbbbbbbbbbbbbbb'],
    ['security-groups', 'web servers'],
    ['subnet-id', 'subnet-0bbbbbbbbbbbbbbbb'],
    ['subnet-ipv4-cidr-block', '172.31.16.0/20'],
    ['subnet-ipv6-cidr-blocks', 404],
    ['vpc-ipv6-cidr-blocks', 'fd00:1:2:300::/56'],
  ])('the second one has its own %s', async (name, value) => {
    expect(await at(second.mac, name)).toBe(value);
  });

  test('are those that it has, and no others', async () => {
    expect(await textAt(FULL, '/latest/meta-data/network/interfaces/macs')).toBe(
      `${first.mac}/\n${second.mac}/`,
    );
    expect(await textAt(SMALL, '/latest/meta-data/network/interfaces/macs')).toBe(`${second.mac}/`);
    expect(await at('02:00:00:00:00:00', '')).toBe(404);
  });
});

describe('addresses of the first interface', () => {
  test.each([
    ['local-ipv4', '172.31.0.10'],
    ['mac', '02:00:ac:1f:00:0a'],
    ['ipv6', 'fd00:1:2:300::a'],
    ['public-ipv4', '198.51.100.10'],
    ['public-hostname', 'ec2-198-51-100-10.compute-1.amazonaws.com'],
  ])("are the instance's own: %s", async (path, value) => {
    expect(await textAt(FULL, `/latest/meta-data/${path}`)).toBe(value);
  });

  test('have a public name of their region', async () => {
    const of = fullInstance({ options: OPEN, region: 'eu-west-1' });
    expect(await textAt(of, '/latest/meta-data/public-hostname')).toBe(
      'ec2-198-51-100-10.eu-west-1.compute.amazonaws.com',
    );
  });

  test('are not public because a further private address is', async () => {
    const [further] = INTERFACES[0].publicAddresses;
    const of = fullInstance({
      options: OPEN,
      interfaces: [{ ...INTERFACES[0], publicAddresses: further === undefined ? [] : [further] }],
    });
    expect(await textAt(of, '/latest/meta-data/public-ipv4')).toBe(404);
    expect(await textAt(of, '/latest/meta-data/network/interfaces/macs/02:00:ac:1f:00:0a/public-ipv4s')).toBe(
      '198.51.100.20',
    );
  });

  test('are none of an instance that has no interface', async () => {
    const of = fullInstance({ options: OPEN, interfaces: [] });
    for (const name of ['local-ipv4', 'mac', 'ipv6', 'public-ipv4', 'public-hostname'])
      expect(await textAt(of, `/latest/meta-data/${name}`)).toBe(404);
  });
});

test.each([
  ['us-east-1', 'a', 'use1-az1'],
  ['us-gov-west-1', 'c', 'usgw1-az3'],
  ['ap-northeast-1', 'a', 'apne1-az1'],
  ['ap-south-1', 'b', 'aps1-az2'],
  ['cn-northwest-1', 'b', 'cnnw1-az2'],
  ['eu-north-1', 'a', 'eun1-az1'],
])("the zone's id in %s for '%s' is %s", async (region, letter, id) => {
  const of = fullInstance({ options: OPEN, region, availabilityZone: `${region}${letter}` });
  expect(await textAt(of, '/latest/meta-data/placement/availability-zone-id')).toBe(id);
});

describe('a path', () => {
  test.each([
    ['/latest/meta-data/instance-id/'],
    ['//latest/meta-data/instance-id'],
    ['/latest//meta-data///instance-id//'],
    ['/latest/meta-data/instance-id?x=/y'],
    ['/latest/meta-data/instance%2Did'],
  ])('%s is the leaf', async (path) => {
    expect(await textAt(FULL, path)).toBe('i-0aaaaaaaaaaaaaaaa');
  });

  test.each([
    '/latest',
    '/latest/meta-data',
    '/latest/dynamic/instance-identity',
    '/latest/meta-data/public-keys/0',
  ])('%s of a directory is the same with and without a slash', async (path) => {
    const listing = await textAt(FULL, `${path}/`);
    expect(listing).not.toBe(404);
    expect(await textAt(FULL, path)).toBe(listing);
  });

  test.each([
    '/latest/meta-data/instance-i',
    '/latest/meta-data/INSTANCE-ID',
    '/latest/meta-data/../user-data',
    '/latest/meta-data%2Finstance-id',
    '/latest/meta-data/%',
    '/latest/meta-data/%ff',
    '/latest/meta-data/placement/region/x',
    '/latest/user-data/length',
    '/latest/meta-data/hostname/length',
    '/latest/api/token',
    '/2020-01-01/meta-data/',
    '/latest2/',
    '/meta-data/',
    '/constructor/',
  ])('%s leads nowhere', async (path) => {
    expect(await textAt(FULL, path)).toBe(404);
  });

  test('of a tag may be written percent-encoded or not', async () => {
    const of = fullInstance({ options: OPEN, tags: ODD_TAGS });
    expect(await textAt(of, '/latest/meta-data/tags/instance/')).toBe(
      'a\na+b=c,d:e@f_g.h-i\na=b\nconstructor',
    );
    for (const [key, value] of Object.entries(ODD_TAGS)) {
      expect(await textAt(of, `/latest/meta-data/tags/instance/${key}`)).toBe(value);
      expect(await textAt(of, `/latest/meta-data/tags/instance/${encodeURIComponent(key)}`)).toBe(value);
    }
  });
});
