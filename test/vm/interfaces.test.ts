// Interfaces that come and go while their machine runs: the guest sees them, traffic passes, and whatever is killed in
// the middle is made whole by the next command.
import type { NetworkInterface, Subnet } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FAILPOINTS } from '../../src/core/failpoint.ts';
import type { InstanceId } from '../../src/core/ids.ts';
import { existsSync } from 'node:fs';
import { openCloud, type Cloud } from '../support/cloud.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';

let before: Snapshot;
let cloud: Cloud;
let instanceId: InstanceId;

const SIDE = '172.16.9.0/24';
const EXTRA = '172.16.9.50';

beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny');
  await cloud.bonami('vpc', 'create', '172.16.0.0/16', '-n', 'lab');
  await cloud.bonami('subnet', 'create', 'lab', '172.16.8.0/24', '-n', 'main');
  await cloud.bonami('subnet', 'create', 'lab', SIDE, '-n', 'side');
  for (const [name, subnet, address] of [
    ['front', 'main', '172.16.8.10'],
    ['back', 'side', '172.16.9.10'],
    ['extra', 'side', EXTRA],
  ] as const)
    await cloud.bonami('eni', 'create', subnet, '-n', name, '--address', address);
  const [[one]] = await Promise.all([
    cloud.run(
      'tiny',
      '-n',
      'one',
      '-t',
      't3.medium',
      '--memory',
      '256',
      '--eni',
      'front',
      '--eni',
      'back',
      '--wait',
      'ssh',
    ),
    cloud.run('tiny', '-n', 'two', '-t', 't3.nano', '--subnet', 'side', '--wait', 'ssh'),
  ]);
  instanceId = one?.InstanceId as InstanceId;
});

afterAll(async () => {
  await cloud.close();
  await expectNoLeaks(before);
});

async function eni(name: string): Promise<NetworkInterface> {
  return cloud.json<NetworkInterface>('eni', 'show', name);
}

/** MAC addresses of a guest's interfaces, in the order of their names, once it has as many as expected. */
async function macsIn(instance: string, count: number): Promise<readonly string[]> {
  const wait = `for i in $(seq 50); do [ "$(ls -d /sys/class/net/eth* | wc -l)" = ${count} ] && break; usleep 200000; done`;
  return (await cloud.inGuest(instance, `${wait}; cat /sys/class/net/eth*/address`)).split('\n');
}

/** What answers at an address, as another guest of its subnet hears it. */
async function answerTo(instance: string, address: string): Promise<string> {
  return cloud.inGuest(instance, `nc -w 3 ${address} 7777 </dev/null || echo nobody`);
}

test('two interfaces at launch are the guest’s first and second, with their own addresses', async () => {
  const [front, back] = [await eni('front'), await eni('back')];
  expect(await macsIn('one', 2)).toEqual([front.MacAddress, back.MacAddress]);
  expect(await cloud.inGuest('one', 'ip -o -4 addr show eth0')).toContain('172.16.8.10/24');
  const [shown] = await cloud.ls('--filter', 'tag:Name=one');
  expect(shown).toMatchObject({
    PrivateIpAddress: '172.16.8.10',
    SubnetId: front.SubnetId,
    VpcId: front.VpcId,
  });
  expect(shown?.NetworkInterfaces?.map(({ PrivateIpAddress }) => PrivateIpAddress)).toEqual([
    '172.16.8.10',
    '172.16.9.10',
  ]);
  expect(back.Attachment).toMatchObject({
    InstanceId: instanceId,
    DeviceIndex: 1,
    DeleteOnTermination: false,
  });
  expect(await cloud.inGuest('one', 'for i in 0 1; do readlink /sys/class/net/eth$i; done')).toMatch(
    /0000:00:02\.0\/.*eth0\n.*0000:00:03\.0\/0000:01:00\.0\/.*eth1/,
  );
});

test('a running guest gets an interface, answers on it, and loses it again', async () => {
  expect(await answerTo('two', EXTRA)).toBe('nobody');
  await cloud.bonami('eni', 'attach', 'extra', 'one');
  const { MacAddress: mac } = await eni('extra');
  expect((await macsIn('one', 3))[2]).toBe(mac);
  await cloud.inGuest('one', `ip link set eth2 up && ip addr add ${EXTRA}/24 dev eth2`);
  expect(await answerTo('two', EXTRA)).toContain(instanceId);
  await cloud.bonami('eni', 'detach', 'extra');
  expect(await macsIn('one', 2)).toHaveLength(2);
  expect(await eni('extra')).toMatchObject({ Status: 'available', MacAddress: mac });
  expect(await answerTo('two', EXTRA)).toBe('nobody');
});

test('an interface moves to another instance with its address', async () => {
  await cloud.bonami('eni', 'attach', 'extra', 'one');
  await cloud.bonami('eni', 'detach', 'extra');
  await cloud.bonami('eni', 'attach', 'extra', 'two');
  const { MacAddress: mac, Attachment } = await eni('extra');
  expect(Attachment).toMatchObject({ DeviceIndex: 1, Status: 'attached' });
  expect(await macsIn('two', 2)).toContain(mac);
  // t3.nano has two.
  expect((await cloud.try(['eni', 'attach', 'back', 'two'])).stderr).toMatch(
    /InvalidNetworkInterface\.InUse/,
  );
  await cloud.bonami('eni', 'create', 'side', '-n', 'third');
  expect((await cloud.try(['eni', 'attach', 'third', 'two'])).stderr).toMatch(/AttachmentLimitExceeded/);
  await cloud.bonami('eni', 'rm', 'third');
  await cloud.bonami('eni', 'detach', 'extra');
});

describe('killed in the middle', () => {
  /** Guest, records and run folder agree. */
  async function expectWhole(): Promise<void> {
    await cloud.bonami('ls');
    expect(existsSync(cloud.layout.instance(instanceId).nicChange)).toBe(false);
    const [shown] = await cloud.ls('--filter', 'tag:Name=one');
    const recorded = (shown?.NetworkInterfaces ?? []).map(({ MacAddress }) => MacAddress);
    expect(new Set(await macsIn('one', recorded.length))).toEqual(new Set(recorded));
  }

  test.each(FAILPOINTS.attach)('at %s, the attachment is finished', async (point) => {
    const answer = await cloud.try(['eni', 'attach', 'extra', 'one'], { env: { BONAMI_FAILPOINT: point } });
    expect(answer.code).not.toBe(0);
    await expectWhole();
    expect((await eni('extra')).Attachment?.InstanceId).toBe(instanceId);
    await cloud.inGuest('one', `ip link set eth2 up && ip addr add ${EXTRA}/24 dev eth2`);
    expect(await answerTo('two', EXTRA)).toContain(instanceId);
    await cloud.bonami('eni', 'detach', 'extra');
  });

  test.each(FAILPOINTS.detach)('at %s, nothing is half attached', async (point) => {
    await cloud.bonami('eni', 'attach', 'extra', 'one');
    const answer = await cloud.try(['eni', 'detach', 'extra'], { env: { BONAMI_FAILPOINT: point } });
    expect(answer.code).not.toBe(0);
    await expectWhole();
    // Done twice is no harm.
    if ((await eni('extra')).Attachment) await cloud.bonami('eni', 'detach', 'extra');
    await expectWhole();
    expect((await eni('extra')).Status).toBe('available');
  });
});

test('a stop keeps interfaces, a termination frees those that were made before', async () => {
  await cloud.bonami('stop', '--force', 'one');
  expect((await eni('back')).Attachment?.InstanceId).toBe(instanceId);
  await cloud.bonami('eni', 'attach', 'extra', 'one', '--device-index', '7');
  await cloud.bonami('start', 'one');
  await cloud.bonami('wait', 'one', '--for', 'ssh');
  const macs = [await eni('front'), await eni('back'), await eni('extra')].map(
    ({ MacAddress }) => MacAddress,
  );
  expect(await macsIn('one', 3)).toEqual(macs);
  await cloud.bonami('terminate', 'one', 'two');
  const { NetworkInterfaces } = await cloud.json<{ NetworkInterfaces: NetworkInterface[] }>('eni', 'ls');
  expect(NetworkInterfaces.map(({ Status, Attachment }) => [Status, Attachment])).toEqual(
    Array.from({ length: 3 }, () => ['available', undefined]),
  );
  const { Subnets } = await cloud.json<{ Subnets: Subnet[] }>('subnet', 'ls');
  expect(Subnets.find(({ CidrBlock }) => CidrBlock === SIDE)?.AvailableIpAddressCount).toBe(251 - 2);
});
