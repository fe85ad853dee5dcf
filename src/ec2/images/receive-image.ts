import { mkdir, rm } from 'node:fs/promises';
import { Interrupted } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoint.ts';
import { newId } from '../../core/ids.ts';
import { namingFullFolder } from '../../host/disk/durable.ts';
import { lock } from '../../host/process/lock.ts';
import { Undo } from '../../host/undo.ts';
import { transact } from '../../store/database.ts';
import { type Image, images } from '../../store/images.ts';
import type { ImagePaths } from '../../store/layout.ts';
import type { Ec2Context } from '../context.ts';
import type { ImageDescription } from './image-description.ts';
import { type StoredDisk, storeDisk, type ArrivedDisk } from './store-disk.ts';
import { sweepAbandonedImports } from './sweep-imports.ts';

const GIB = 2 ** 30;

/**
 * Makes an image of the disk file that `bring` puts somewhere, its own folder for instance, which goes away
 * afterwards. All or nothing: while it lasts there is a `pending` record under a lock; a failure or Ctrl-C removes
 * everything, and what a crash leaves is a pending record with a free lock (see sweep-imports.ts).
 */
export async function receiveImage(
  ctx: Ec2Context,
  description: ImageDescription,
  bring: (folder: string) => Promise<ArrivedDisk>,
): Promise<Image> {
  for (const { name } of await sweepAbandonedImports(ctx))
    ctx.report.info(`cleared away what an earlier command left of the image '${name}'`);
  const pending = pendingImage(ctx, description);
  const paths = ctx.layout.image(pending.imageId);
  const undo = new Undo();
  const held = await lock(paths.lock, { purpose: `bring the image '${description.name}'` });
  undo.add('lock', async () => rm(paths.lock, { force: true }));
  try {
    transact(ctx.db, () => images.insert(ctx.db, pending));
    undo.add('record', () => images.remove(ctx.db, pending.imageId));
    failpoint('import:planned');
    const image = await receive(ctx, { pending, description, paths, undo, bring });
    undo.forget();
    return image;
  } catch (error) {
    for (const failure of await undo.run()) ctx.report.warn(`${failure.message}; bonami doctor --fix`);
    if (ctx.signal.aborted) throw new Interrupted(`interrupted; no image '${description.name}' was made`);
    throw namingFullFolder(error, ctx.layout.home);
  } finally {
    held.release();
  }
}

interface Reception {
  readonly pending: Image;
  readonly description: ImageDescription;
  readonly paths: ImagePaths;
  readonly undo: Undo;
  readonly bring: (folder: string) => Promise<ArrivedDisk>;
}

async function receive(
  ctx: Ec2Context,
  { pending, description, paths, undo, bring }: Reception,
): Promise<Image> {
  await mkdir(paths.incoming, { mode: 0o700 });
  undo.add('incoming folder', async () => rm(paths.incoming, { recursive: true, force: true }));
  const workFolder = `${paths.incoming}/work`;
  await mkdir(workFolder, { mode: 0o700 });
  const arrived = await bring(workFolder);
  failpoint('import:arrived');
  ctx.signal.throwIfAborted();
  undo.add('image folder', async () => rm(paths.folder, { recursive: true, force: true }));
  const stored = await storeDisk(ctx, { ...arrived, paths, workFolder });
  failpoint('import:published');
  const available = availableImage(pending, { description, stored, source: arrived.source });
  transact(ctx.db, () => images.update(ctx.db, available));
  failpoint('import:recorded');
  return available;
}

function pendingImage(ctx: Ec2Context, about: ImageDescription): Image {
  const { name, description, architecture, bootMode, rootDeviceName, defaultUser, firstBoot } = about;
  return {
    name,
    description,
    architecture,
    bootMode,
    rootDeviceName,
    defaultUser,
    firstBoot,
    cpuBaseline: about.cpuBaseline ?? null,
    imageId: newId('image'),
    blockDeviceMappings: [],
    state: 'pending',
    creationDate: ctx.now().toISOString(),
    digest: null,
    virtualSize: 0,
    source: '',
  };
}

interface Outcome {
  readonly description: ImageDescription;
  readonly stored: StoredDisk;
  readonly source: string;
}

function availableImage(pending: Image, { description, stored, source }: Outcome): Image {
  const volumeSize = Math.max(Math.ceil(stored.virtualSize / GIB), description.minimumDiskGiB ?? 1);
  return {
    ...pending,
    ...stored,
    source,
    state: 'available',
    blockDeviceMappings: [
      { deviceName: pending.rootDeviceName, volumeSize, volumeType: 'gp3', deleteOnTermination: true },
    ],
  };
}
