// Disks that say what they are, from the file to the image.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Ec2Context } from '../../../../src/ec2/context.ts';
import { type Completion, completeImage } from '../../../../src/ec2/images/complete-image.ts';
import { exportImage } from '../../../../src/ec2/images/export-image.ts';
import type { Said } from '../../../../src/ec2/images/image-description.ts';
import { importImage } from '../../../../src/ec2/images/import-image.ts';
import { type ArrivedImage, receiveImage } from '../../../../src/ec2/images/receive-image.ts';
import { openRaw } from '../../../../src/host/disk/qcow2/raw.ts';
import { importContent } from '../../../../src/host/disk/qcow2/import-content.ts';
import { images } from '../../../../src/store/images.ts';
import { snapshots } from '../../../../src/store/snapshots.ts';
import { type TestContext, testContext } from '../../../support/context.ts';
import {
  makeExt,
  missingTools,
  scratchFolder,
  sourceOf,
  type Tree,
  writeTree,
} from '../../../support/file-systems.ts';
import { elfProgram } from '../../../support/programs.ts';
import { takeTexts } from '../../../support/stored-images.ts';

const GUEST: Tree = {
  'etc/os-release': 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
  bin: { link: 'usr/bin' },
  'usr/bin/sh': elfProgram('arm64'),
  'usr/bin/cloud-init': '#!/usr/bin/python3\n',
  'etc/cloud/cloud.cfg':
    'datasource_list: [ NoCloud, Ec2 ]\nsystem_info:\n  default_user:\n    name: somebody\n',
};

describe.skipIf(missingTools('mke2fs') !== '')(
  'an image of a disk that says what it is',
  { timeout: 30_000 },
  () => {
    const scratch = scratchFolder();
    const disk = join(scratch.path, 'guest.raw');
    let home: TestContext;
    let ctx: Ec2Context;
    beforeAll(() => makeExt(disk, writeTree(join(scratch.path, 'tree'), GUEST), { sizeMiB: 4 }));
    afterAll(() => scratch.remove());
    beforeEach(() => {
      home = testContext();
      ctx = home.ctx;
    });
    afterEach(() => home.cleanup());

    /** What becomes of the disk, with these words about it. */
    async function completed(
      completion: Partial<Completion>,
      { origin = {}, volumeSize }: { readonly origin?: Said; readonly volumeSize?: number } = {},
    ): Promise<ArrivedImage> {
      let arrived: ArrivedImage | undefined;
      await receiveImage(ctx, 'completed', async (arrivals) => {
        const content = openRaw(sourceOf(readFileSync(disk)));
        const root = await arrivals.take(async (folder) => {
          const to = join(folder, '0.qcow2');
          const { digest, virtualSize } = await importContent({ content, to, maxVirtualSize: 2 ** 40 });
          return { layers: [digest], virtualSize };
        });
        arrived = await completeImage(
          ctx,
          {
            root: { disk: root, ...(volumeSize === undefined ? {} : { volumeSize }) },
            others: [{ deviceName: '/dev/sdf', disk: await takeTexts(arrivals, ['data']) }],
            otherMappings: [{ kind: 'instance-store', deviceName: '/dev/sdb', virtualName: 'ephemeral0' }],
            origin,
          },
          { name: 'completed', user: {}, override: false, source: 'a test', ...completion },
        );
        return arrived;
      });
      if (arrived === undefined) throw new Error('nothing arrived');
      return arrived;
    }

    test('is what the disk says, and remembers what was found', async () => {
      await expect(completed({})).resolves.toMatchObject({
        description: {
          name: 'completed',
          description: 'Debian GNU/Linux 12 (bookworm)',
          architecture: 'arm64',
          rootDeviceName: '/dev/xvda',
          defaultUser: 'somebody',
          firstBoot: 'cloud-init',
        },
        findings: {
          distribution: 'Debian GNU/Linux 12 (bookworm)',
          partitionTable: 'none',
          rootPartition: 0,
          rootFileSystem: 'ext',
          datasources: ['NoCloud', 'Ec2'],
        },
        mappings: [{ deviceName: '/dev/xvda', volumeSize: 1 }, { deviceName: '/dev/sdf' }],
        otherMappings: [{ virtualName: 'ephemeral0' }],
        source: 'a test',
      });
      const [image] = images.list(ctx.db);
      expect(image?.findings?.distribution).toBe('Debian GNU/Linux 12 (bookworm)');
      expect(snapshots.list(ctx.db)).toHaveLength(2);
      expect(home.reported.warnings).toEqual([]);
    });

    test('has a root volume as large as the catalog or a manifest says, by the name that was settled', async () => {
      const sizes = async (minimumDiskGiB: number | undefined, volumeSize?: number) => {
        const { mappings } = await completed(
          {
            user: { rootDeviceName: '/dev/sda1' },
            ...(minimumDiskGiB === undefined ? {} : { minimumDiskGiB }),
          },
          volumeSize === undefined ? {} : { volumeSize },
        );
        home.cleanup();
        home = testContext();
        ctx = home.ctx;
        return [mappings[0]?.deviceName, mappings[0]?.volumeSize];
      };
      await expect(sizes(undefined)).resolves.toEqual(['/dev/sda1', 1]);
      await expect(sizes(4)).resolves.toEqual(['/dev/sda1', 4]);
      await expect(sizes(4, 9)).resolves.toEqual(['/dev/sda1', 9]);
      await expect(sizes(9, 4)).resolves.toEqual(['/dev/sda1', 9]);
    });

    test('warns where what came with it says otherwise', async () => {
      const { description } = await completed(
        {},
        { origin: { architecture: 'x86_64', defaultUser: 'debian' } },
      );
      expect(description).toMatchObject({ architecture: 'arm64', defaultUser: 'somebody' });
      expect(home.reported.warnings).toEqual([
        'completed: the architecture x86_64 was expected, but the disk says arm64',
        'completed: the default user debian was expected, but the disk says somebody',
      ]);
    });

    test('is refused when the user says otherwise, unless the user insists', async () => {
      const user = { architecture: 'x86_64' as const };
      await expect(completed({ user })).rejects.toMatchObject({
        code: 'ImageDisagrees',
        details: expect.arrayContaining([expect.stringContaining('/usr/bin/sh')]),
      });
      expect(images.list(ctx.db)).toEqual([]);
      expect(snapshots.list(ctx.db)).toEqual([]);
      await expect(completed({ user, override: true })).resolves.toMatchObject({ description: user });
    });

    test('is imported with no word about it, and refused with a wrong one', async () => {
      await expect(importImage(ctx, { source: disk, said: { architecture: 'i386' } })).rejects.toMatchObject({
        code: 'ImageDisagrees',
        hint: expect.stringContaining('--override'),
      });
      expect(images.list(ctx.db)).toEqual([]);
      const image = await importImage(ctx, { source: disk });
      expect(image).toMatchObject({ name: 'guest', architecture: 'arm64', defaultUser: 'somebody' });
      await expect(
        importImage(ctx, { source: disk, said: { name: 'other', architecture: 'i386' }, override: true }),
      ).resolves.toMatchObject({ name: 'other', architecture: 'i386' });
    });

    test('comes back from a bundle as the same image, whatever its file is called', async () => {
      const image = await importImage(ctx, {
        source: disk,
        said: { name: 'mine', description: 'one of a kind' },
      });
      const destination = join(home.ctx.layout.home, 'other-name.tar');
      await exportImage(ctx, { image: 'mine', destination, compress: false, replace: false });
      await expect(importImage(ctx, { source: destination })).resolves.toEqual(image);
      await expect(importImage(ctx, { source: destination })).resolves.toEqual(image);
      expect(images.list(ctx.db)).toEqual([image]);
      const copy = await importImage(ctx, { source: destination, said: { name: 'copy' } });
      expect(copy).toMatchObject({ name: 'copy', description: 'one of a kind', architecture: 'arm64' });
      // Another disk by the name in the manifest is another matter.
      const changed = readFileSync(disk);
      changed[changed.length - 1] = 1;
      writeFileSync(join(scratch.path, 'mine.raw'), changed);
      await expect(importImage(ctx, { source: join(scratch.path, 'mine.raw') })).rejects.toMatchObject({
        code: 'InvalidAMIName.Duplicate',
        message: expect.stringContaining('of other contents'),
      });
    });
  },
);
