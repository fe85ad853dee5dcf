// What a host's own addresses and links make of a public address. A namespace plays the host.
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from 'vitest';
import { addressAt, parseCidr } from '../../../src/core/cidr.ts';
import { allocateAddress } from '../../../src/ec2/addresses/allocate-address.ts';
import { canonicalCidr } from '../../../src/ec2/vpcs/cidr-block.ts';
import { HOST_GROUND, type Ground } from '../../../src/host/ground.ts';
import { readHostAddresses } from '../../../src/host/link/host-addresses.ts';
import {
  createNamespace,
  deleteNamespace,
  ipBatch,
  namedNamespace,
  OWN_NAMESPACE,
} from '../../../src/host/link/namespace.ts';
import { addresses } from '../../../src/store/addresses.ts';
import { testContext, type TestContext } from '../../support/context.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';

const host = namedNamespace(`bonami-test-host-${randomBytes(3).toString('hex')}`);
const ground: Ground = { ...HOST_GROUND, namespace: host };
let before: Snapshot;
let home: TestContext;

beforeAll(async () => {
  before = await snapshot();
  await createNamespace(host);
  await ipBatch(host, [
    'link set lo up',
    'link add lan0 type bridge',
    'addr add 192.168.50.10/24 dev lan0',
    'addr add 192.168.50.11/24 dev lan0',
    'link set lan0 up',
    'route add default via 192.168.50.1',
    'route add 203.0.113.1/32 via 192.168.50.1',
    'neigh replace 192.168.50.242 lladdr 02:00:00:00:00:42 dev lan0 nud permanent',
    // Ours are not the host's.
    'link add bnv0123456789ab type bridge',
    'addr add 169.254.96.1/30 dev bnv0123456789ab',
    'link set bnv0123456789ab up',
  ]);
});
afterAll(async () => {
  await deleteNamespace(host);
  await expectNoLeaks(before);
});
beforeEach(() => {
  home = testContext({ context: { ground } });
});
afterEach(() => home.cleanup());

test('a host’s addresses are read, with its way out and whom it has met', async () => {
  expect(await readHostAddresses(host)).toEqual({
    addresses: [
      { address: '127.0.0.1', prefix: 8, device: 'lo' },
      { address: '192.168.50.10', prefix: 24, device: 'lan0' },
      { address: '192.168.50.11', prefix: 24, device: 'lan0' },
    ],
    primary: '192.168.50.10',
    gateways: expect.arrayContaining(['192.168.50.1']),
    routed: ['203.0.113.1'],
    neighbours: [{ address: '192.168.50.242', mac: '02:00:00:00:00:42' }],
  });
});

test('a host without a way out has no main address', async () => {
  const alone = namedNamespace(`${host.name}-alone`);
  await createNamespace(alone);
  try {
    expect(await readHostAddresses(alone)).toEqual({
      addresses: [],
      primary: undefined,
      gateways: [],
      routed: [],
      neighbours: [],
    });
  } finally {
    await deleteNamespace(alone);
  }
});

describe('allocated is', () => {
  const allocate = async (request: object) => allocateAddress(home.ctx, request);

  test('an address of the host’s network, which the host answers for', async () => {
    expect(await allocate({ Address: '192.168.50.77' })).toMatchObject({ Bonami: { Reach: 'lan' } });
    expect(home.reported.warnings).toEqual([]);
  });

  test('one that somebody seems to have, with a warning', async () => {
    await allocate({ Address: '192.168.50.242' });
    expect(home.reported.warnings).toEqual([expect.stringContaining('02:00:00:00:00:42')]);
  });

  test('another address of the host itself, carried by one of the built-in range that no other home has', async () => {
    const { AllocationId = '' } = await allocate({ Address: '192.168.50.11' });
    expect(addresses.get(home.ctx.db, AllocationId)).toMatchObject({
      publicIp: '192.168.50.11',
      carrierIp: '203.0.113.2',
      reach: 'own',
    });
    expect((await allocate({})).PublicIp).toBe('203.0.113.3');
  });

  test('not the host’s way out', async () => {
    await expect(allocate({ Address: '192.168.50.10' })).rejects.toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        hint: expect.stringContaining('bonami port-forward'),
      }),
    );
  });

  test('from a range of the host’s network what nobody has', async () => {
    const taken = [];
    for (let index = 0; index < 3; index++)
      taken.push((await allocate({ PublicIpv4Pool: '192.168.50.240/29' })).PublicIp);
    expect(taken).toEqual(['192.168.50.240', '192.168.50.241', '192.168.50.243']);
    for (let index = 0; index < 4; index++)
      taken.push((await allocate({ PublicIpv4Pool: '192.168.50.8/29' })).PublicIp);
    // 10 and 11 are the host's own.
    expect(taken.slice(3)).toEqual(['192.168.50.8', '192.168.50.9', '192.168.50.12', '192.168.50.13']);
  });
});

describe('an ordinary user', () => {
  // Whatever the networks stand on, it is this host's own addresses that count.
  const asUser = async (Address: string) =>
    allocateAddress({ ...home.ctx, ground: { ...ground, isRootless: true } }, { Address });
  const link = Object.values(networkInterfaces())
    .flat()
    .find((each) => each?.family === 'IPv4' && !each.internal && /\/(?:[1-9]|[12]\d)$/.test(each.cidr ?? ''));

  test('gets an address that no link of the host has', async () => {
    expect(await asUser('203.0.113.9')).toMatchObject({ PublicIp: '203.0.113.9' });
  });

  test.skipIf(link === undefined)('gets none of the host’s network', async () => {
    const [address = '', prefix] = (link?.cidr ?? '').split('/');
    const network = parseCidr(canonicalCidr(`${address}/${prefix}`, 'cidrBlock', 4));
    const { primary, gateways } = await readHostAddresses(OWN_NAMESPACE);
    const free = [1, 2, 3, 4]
      .map((offset) => addressAt(network, offset))
      .find((each) => each !== address && each !== primary && !gateways.includes(each));
    await expect(asUser(free ?? '')).rejects.toThrow(
      expect.objectContaining({
        code: 'UnsupportedOperation',
        hint: expect.stringContaining('bonami port-forward'),
      }),
    );
    expect(addresses.list(home.ctx.db)).toEqual([]);
  });
});
