import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { ovfManifest } from '../../host/archive/ovf-manifest.ts';
import { ovfDescriptor } from '../../host/archive/write-ovf.ts';
import { type TarFile, writeTar } from '../../host/archive/write-tar.ts';
import { requireSnapshot } from '../snapshots/resolve-snapshot.ts';
import { type ExportWork, exportMapping } from './export-image.ts';

const GIB = 2 ** 30;
/** What the virtual machine gets elsewhere; whoever imports it chooses anew. */
const HARDWARE = { cpus: 2, memoryMiB: 2048 };

/** An image as an OVA: a descriptor, its disks as stream-optimized VMDK, and a manifest of their digests. */
export function ovaOf(work: ExportWork): AsyncIterable<Buffer> {
  return writeTar(entries(work));
}

interface OvaDisk {
  readonly file: string;
  readonly path: string;
  readonly size: number;
  readonly virtualSize: number;
}

async function* entries(work: ExportWork): AsyncGenerator<TarFile> {
  const { ctx, image, workFolder } = work;
  const disks: OvaDisk[] = [];
  for (const mapping of image.blockDeviceMappings) {
    if (mapping.kind !== 'ebs' || mapping.snapshotId === null) continue;
    const file = `disk-${disks.length}.vmdk`;
    const path = `${workFolder}/${file}`;
    await exportMapping(work, mapping, { to: path, format: 'vmdk' });
    const { size } = await stat(path);
    const { volumeSize } = requireSnapshot(ctx.db, mapping.snapshotId);
    disks.push({ file, path, size, virtualSize: volumeSize * GIB });
  }
  const digests: { readonly file: string; readonly sha256: string }[] = [];
  const descriptor = Buffer.from(
    ovfDescriptor({
      name: image.name,
      architecture: image.architecture,
      isUefi: image.bootMode === 'uefi',
      ...HARDWARE,
      disks,
    }),
  );
  const descriptorFile = 'image.ovf';
  digests.push({ file: descriptorFile, sha256: createHash('sha256').update(descriptor).digest('hex') });
  yield { name: descriptorFile, size: descriptor.length, content: descriptor };
  for (const { file, path, size } of disks) {
    const hash = createHash('sha256');
    yield { name: file, size, content: hashed(createReadStream(path, { highWaterMark: 1 << 20 }), hash) };
    digests.push({ file, sha256: hash.digest('hex') });
    await rm(path);
  }
  const content = Buffer.from(ovfManifest(digests));
  yield { name: 'image.mf', size: content.length, content };
}

async function* hashed(
  chunks: AsyncIterable<Buffer>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}
