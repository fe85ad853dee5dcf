// The disks of an instance, as its guest finds them: by both buses, with their data, their lives and their limits.
import type { Instance } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { VolumeId } from '../../src/core/ids.ts';
import { instanceStoreSerial, volumeSerial } from '../../src/ec2/instances/machine-spec.ts';
import { openCloud, type Cloud } from '../support/cloud.ts';
import { diskBySerial, diskOf, getText, putText, secondsOf } from '../support/guest-disks.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';

const GIB = 2 ** 30;
const SMALL = ['-t', 'c5d.large', '--memory', '256', '--cpus', '1', '--wait', 'ssh'];
const INSTANCE_STORE_BYTES = 50 * 10 ** 9;

let before: Snapshot;
let cloud: Cloud;

beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny');
});

afterAll(async () => {
  await cloud.close();
  await expectNoLeaks(before);
});

interface Found {
  /** What the metadata service maps, like `ebs1` to `sdf`. */
  readonly mapping: Readonly<Record<string, string>>;
  /** The guest's disks in its own order. */
  readonly disks: readonly { readonly name: string; readonly bytes: number; readonly serial: string }[];
}

async function look(name: string): Promise<Found> {
  const said = await cloud.inGuest(
    name,
    `url=http://169.254.169.254/latest/meta-data/block-device-mapping/
     for entry in $(wget -qO- $url); do echo mapped $entry $(wget -qO- $url$entry); done
     for disk in /sys/block/vd* /sys/block/nvme*n1; do
       [ -e $disk ] || continue
       echo disk \${disk##*/} $(($(cat $disk/size) * 512)) $(cat $disk/serial $disk/device/serial 2>/dev/null)
     done`,
  );
  const lines = said.split('\n').map((line) => line.split(' '));
  return {
    mapping: Object.fromEntries(lines.filter(([kind]) => kind === 'mapped').map(([, key, to]) => [key, to])),
    disks: lines
      .filter(([kind]) => kind === 'disk')
      .map(([, disk = '', bytes, serial = '']) => ({ name: disk, bytes: Number(bytes), serial })),
  };
}

/** Every entry of the mapping is a disk of that size under that serial number, and there is no other. */
function expectDisks({ mapping, disks }: Found, volumes: Expected, instanceId: string): void {
  const devices = Object.entries(mapping).filter(([key]) => key !== 'ami' && key !== 'root');
  const found = Object.fromEntries(disks.map(({ serial, bytes }) => [serial, bytes]));
  const isVolume = ([key]: [string, string]): boolean => key.startsWith('ebs');
  const [root, ...others] = volumes;
  expect(mapping).toMatchObject({ ami: root?.device, root: root?.device });
  expect(
    devices
      .filter(isVolume)
      .map(([, device]) => `/dev/${device}`)
      .toSorted(),
  ).toEqual(others.map(({ device }) => device).toSorted());
  expect(devices.filter((each) => !isVolume(each))).toEqual([['ephemeral0', 'sdb']]);
  expect(found).toEqual({
    ...Object.fromEntries(volumes.map(({ id, size }) => [volumeSerial(id), size * GIB])),
    [instanceStoreSerial(instanceId, 0)]: INSTANCE_STORE_BYTES,
  });
  expect(disks[0]?.serial).toBe(volumeSerial(root?.id ?? ''));
}

/** The root volume first. */
type Expected = readonly { readonly device: string; readonly id: VolumeId; readonly size: number }[];

async function expected(instance: string, sizes: Readonly<Record<string, number>>): Promise<Expected> {
  const ids = await cloud.volumesOf(instance);
  expect(Object.keys(ids).toSorted()).toEqual(Object.keys(sizes).toSorted());
  return Object.entries(sizes).map(([device, size]) => ({ device, size, id: ids[device] as VolumeId }));
}

describe('by nvme', () => {
  let instance: Instance | undefined;
  const DISKS = ['/dev/sdf=2,gp3,iops=3000,throughput=125', '/dev/sdg=1', '/dev/sdh=4,io1,iops=100,keep'];

  beforeAll(async () => {
    const words = [...DISKS, '/dev/sdb=ephemeral0'].flatMap((each) => ['-b', each]);
    [instance] = await cloud.run('tiny', '-n', 'first', ...SMALL, ...words, '--disk-bus', 'nvme');
  });

  test('the guest has what the metadata service says, the root volume first', async () => {
    const sizes = { '/dev/sda1': 1, '/dev/sdf': 2, '/dev/sdg': 1, '/dev/sdh': 4 };
    const found = await look('first');
    expectDisks(found, await expected('first', sizes), instance?.InstanceId ?? '');
    expect(found.disks.map(({ name }) => name)).toEqual([0, 1, 2, 3, 4].map((index) => `nvme${index}n1`));
  });

  test('a volume does the operations that its type gives it and no more, also after a snapshot', async () => {
    const { '/dev/sdg': free = '', '/dev/sdh': limited = '' } = await cloud.volumesOf('first');
    const requests = 200;
    const seconds = async (volume: string, words: (disk: string) => string): Promise<number> => {
      const command = `dd bs=4k count=${requests} ${words(diskOf(volume))}`;
      return Number(await cloud.inGuest('first', secondsOf(command)));
    };
    const reads = (disk: string): string => `if=${disk} of=/dev/null iflag=direct`;
    const writes = (disk: string): string => `if=/dev/zero of=${disk} seek=1000 oflag=direct`;
    for (const words of [reads, writes]) {
      // 2 s and what QEMU lets through at first.
      const slow = await seconds(limited, words);
      expect(slow).toBeGreaterThan(1.5);
      expect(slow).toBeLessThan(6);
      expect(await seconds(free, words)).toBeLessThan(slow / 2);
    }
    await cloud.bonami('snapshot', 'create', limited);
    expect(await seconds(limited, reads)).toBeGreaterThan(1.5);
  });

  test('a stop empties the instance store and keeps the volumes', async () => {
    const { '/dev/sdg': volume = '' } = await cloud.volumesOf('first');
    const store = diskBySerial(instanceStoreSerial(instance?.InstanceId ?? '', 0));
    const read = `${getText(diskOf(volume), 5)}; ${getText(store, 5)}`;
    await cloud.inGuest('first', `${putText(diskOf(volume), 5, 'kept')}; ${putText(store, 5, 'lost')}`);
    expect(await cloud.inGuest('first', read)).toBe('kept\nlost');
    await cloud.bonami('stop', 'first');
    await cloud.bonami('start', 'first');
    await cloud.bonami('wait', 'first', '--for', 'ssh');
    expect(await cloud.inGuest('first', read)).toBe('kept');
  });

  test('its volumes are in use, but for one they go with it, and that one can be removed then', async () => {
    const { '/dev/sdh': kept = '', '/dev/sdg': going = '' } = await cloud.volumesOf('first');
    // For the other instance.
    await cloud.bonami('snapshot', 'create', going, '--tag', 'Name=saved');
    const refused = await cloud.try(['volume', 'rm', kept]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('VolumeInUse');
    expect(refused.stderr).toContain(instance?.InstanceId);
    await cloud.bonami('terminate', 'first');
    const volumes = await cloud.volumes();
    expect(volumes.map(({ VolumeId, State }) => [VolumeId, State])).toEqual([[kept, 'available']]);
    await cloud.bonami('volume', 'rm', kept);
    expect(await cloud.volumes()).toEqual([]);
    await expectNoLeaks(before, { home: cloud.home });
  });
});

test('by virtio, with disks of the image, one of them left out, and a volume of a snapshot', async () => {
  const root = await cloud.snapshotOf('tiny', '/dev/sda1');
  const disks = [`/dev/sda1=${root}`, '/dev/sdf=1', '/dev/sdk=3', '/dev/sdb=ephemeral0'];
  const described = ['--root-device', '/dev/sda1', '--user', 'root', '--first-boot', 'tiny'];
  await cloud.bonami('image', 'register', 'larger', ...described, ...disks.flatMap((each) => ['-b', each]));
  const { Snapshots } = await cloud.json<{ Snapshots: { SnapshotId: string; Tags: { Value: string }[] }[] }>(
    'snapshot',
    'ls',
  );
  const saved = Snapshots.find(({ Tags }) => Tags.some(({ Value }) => Value === 'saved'))?.SnapshotId ?? '';
  const asked = [`/dev/sdg=${saved},2`, '/dev/sdf=2', '/dev/sdk=none'].flatMap((each) => ['-b', each]);
  const [instance] = await cloud.run('larger', '-n', 'second', ...SMALL, ...asked);
  const volumes = await expected('second', { '/dev/sda1': 1, '/dev/sdf': 2, '/dev/sdg': 2 });
  const found = await look('second');
  expectDisks(found, volumes, instance?.InstanceId ?? '');
  expect(found.disks.map(({ name }) => name)).toEqual(['vda', 'vdb', 'vdc', 'vdd']);
  expect(await cloud.inGuest('second', getText(diskOf(volumes[2]?.id ?? ''), 5))).toBe('kept');
  await cloud.bonami('terminate', 'second');
  await expectNoLeaks(before, { home: cloud.home });
});
