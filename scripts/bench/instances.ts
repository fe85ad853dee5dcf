// What an image's size and an instance's data cost while machines run.
import { execa } from 'execa';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { layerPath, layersOf } from '../../src/host/disk/layers.ts';
import type { VolumeId } from '../../src/core/ids.ts';
import { cachedImage, type Cloud, importImage, openCloud } from '../../test/support/cloud.ts';
import { withFolder } from './disks.ts';
import type { ImageWork } from './imports.ts';
import { alternate, compared, median, ROUNDS, time, type Way } from './measure.ts';

/** The same guest on a small disk and on a large one with much data. */
export async function launch({ rows, dataMiB }: ImageWork): Promise<void> {
  const cloud = await openCloud('tiny');
  try {
    await withFolder(async (folder) => {
      const file = join(folder, 'large.qcow2');
      copyFileSync(cachedImage('tiny'), file);
      await execa('qemu-img', ['resize', '-q', file, '64G']);
      for (let gib = 0; gib < dataMiB / 1024; gib += 1)
        await execa('qemu-io', ['-f', 'qcow2', '-c', `write -P 0x5a ${1 + gib * 20}G 1G`, file]);
      await importImage(cloud, 'tiny', { name: 'large', file });
    });
    // Its network stays up for those that are measured.
    await cloud.bonami('run', 'tiny', '-t', 't3.nano', '--wait', 'ssh');
    const taken = await alternate('launch', {
      tiny: launching(cloud, 'tiny'),
      large: launching(cloud, 'large'),
    });
    rows.push(
      compared(taken.large, taken.tiny, {
        what: `run --wait none, disk of 64 GiB, ${dataMiB} MiB of data`,
        against: 'disk of 160 MiB',
        aim: '~ 1',
      }),
    );
  } finally {
    await cloud.close();
  }
}

function launching(cloud: Cloud, image: string): Way {
  return {
    work: async () => cloud.bonami('run', image, '-n', 'measured', '-t', 't3.nano', '--wait', 'none'),
    after: async () => {
      await cloud.bonami('terminate', 'measured');
      // An agent that tidies up would be measured too.
      await sleep(2_000);
    },
  };
}

const DIRTY_MIB = 256;
/** Writes them behind the guest's file systems, which are small. */
const DIRTY = [
  "disk=/dev/$(awk 'NR == 3 { print $4 }' /proc/partitions)",
  'head -c 4194304 /dev/urandom > /tmp/some',
  `for i in $(seq ${DIRTY_MIB / 4}); do cat /tmp/some; done | dd of=$disk bs=1M seek=1024 conv=notrunc,fsync`,
].join('; ');

/** What an image of a running machine copies: what was written since its volume was last frozen. */
export async function create({ rows }: ImageWork): Promise<void> {
  const cloud = await openCloud('tiny');
  try {
    const [instance] = await cloud.run(
      ...['tiny', '-n', 'writer', '-t', 't3.nano', '--disk', '4', '--wait', 'ssh'],
    );
    const volume = instance?.BlockDeviceMappings?.[0]?.Ebs?.VolumeId as VolumeId;
    const { folder } = cloud.layout.volume(volume);
    const taken: number[] = [];
    const copies: number[] = [];
    const synced: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await cloud.bonami('ssh', 'writer', '--', DIRTY);
      const dirty = layersOf(folder).length - 1;
      taken.push(
        await time(async () =>
          cloud.bonami('image', 'create', 'writer', '-n', `of-writer-${round}`, '--no-reboot'),
        ),
      );
      // What has become of it holds the same bytes.
      const layer = layerPath(folder, dirty);
      copies.push(await timeOfCopy(layer, []));
      synced.push(await timeOfCopy(layer, ['sync']));
    }
    const what = `image create --no-reboot, ${DIRTY_MIB} MiB of dirty data`;
    rows.push(
      compared(taken, copies, { what, against: 'cp of the layer' }),
      compared(taken, synced, { what, against: 'cp of the layer, sync', aim: '<= 1.1' }),
      {
        what: 'the same, but for the copy',
        measured: 'ms',
        bonami: median(taken) - median(synced),
        samples: [],
      },
    );
  } finally {
    await cloud.close();
  }
}

async function timeOfCopy(layer: string, sync: readonly string[]): Promise<number> {
  const copy = `${layer}.bench`;
  if (existsSync(copy)) throw new Error(`'${copy}' is there already`);
  const taken = await time(async () => {
    await execa('cp', [layer, copy]);
    for (const command of sync) await execa(command, [copy]);
  });
  rmSync(copy);
  await execa('sync');
  return taken;
}
