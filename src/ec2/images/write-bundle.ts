import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { compress as compressed } from '../../host/archive/compress.ts';
import { type TarFile, writeTar } from '../../host/archive/write-tar.ts';
import { openFileSource } from '../../host/disk/byte-source.ts';
import { layersOf } from '../../host/disk/layers.ts';
import { contentDigest } from '../../host/disk/qcow2/content-digest.ts';
import { openQcow2 } from '../../host/disk/qcow2/reader.ts';
import type { EbsMapping } from '../../store/images.ts';
import { requireSnapshot } from '../snapshots/resolve-snapshot.ts';
import { formatManifest, MANIFEST, type ManifestDisk } from './bundle.ts';
import { type ExportWork, exportMapping } from './export-image.ts';

/** An image as a tar file: the manifest first, then its disks. */
export function bundleOf(
  work: ExportWork,
  { compress }: { readonly compress: boolean },
): AsyncIterable<Buffer> {
  const tar = writeTar(entries(work));
  return compress ? compressed(Readable.from(tar, { objectMode: false }), { signal: work.ctx.signal }) : tar;
}

interface BundledDisk {
  readonly disk: ManifestDisk;
  readonly path: string;
  /** It was written for the bundle alone. */
  readonly isTemporary: boolean;
}

async function* entries(work: ExportWork): AsyncGenerator<TarFile> {
  const { image } = work;
  const bundled: BundledDisk[] = [];
  for (const mapping of image.blockDeviceMappings)
    if (mapping.kind === 'ebs' && mapping.snapshotId !== null)
      bundled.push(await bundledDisk(work, mapping, bundled.length));
  const content = Buffer.from(
    formatManifest({
      bonamiImage: 1,
      name: image.name,
      description: image.description,
      architecture: image.architecture,
      bootMode: image.bootMode,
      rootDeviceName: image.rootDeviceName,
      defaultUser: image.defaultUser,
      firstBoot: image.firstBoot,
      cpuBaseline: image.cpuBaseline,
      creationDate: image.creationDate,
      disks: bundled.map(({ disk }) => disk),
      emptyVolumes: image.blockDeviceMappings.flatMap((mapping) =>
        mapping.kind === 'ebs' && mapping.snapshotId === null ? [wishes(mapping)] : [],
      ),
      instanceStore: image.blockDeviceMappings.flatMap((mapping) =>
        mapping.kind === 'instance-store'
          ? [{ deviceName: mapping.deviceName, virtualName: mapping.virtualName }]
          : [],
      ),
    }),
  );
  yield { name: MANIFEST, size: content.length, content };
  for (const { disk, path, isTemporary } of bundled) {
    const { size } = await stat(path);
    yield { name: disk.file, size, content: createReadStream(path, { highWaterMark: 1 << 20 }) };
    if (isTemporary) await rm(path);
  }
}

/** A disk of one layer goes as it is in the store; one of several is flattened first. */
async function bundledDisk(work: ExportWork, mapping: EbsMapping, index: number): Promise<BundledDisk> {
  const { ctx, workFolder } = work;
  const snapshot = requireSnapshot(ctx.db, mapping.snapshotId ?? '');
  const [lowest, ...others] = layersOf(ctx.layout.snapshot(snapshot.snapshotId).folder);
  const isTemporary = lowest === undefined || others.length > 0;
  const path = isTemporary ? `${workFolder}/disk-${index}.qcow2` : lowest;
  if (isTemporary) await exportMapping(work, mapping, { to: path, format: 'qcow2' });
  const known = isTemporary ? undefined : snapshot.layers.find((digest) => digest.startsWith('content-'));
  const digest = known ?? (await digestOfDisk(work, path));
  return { path, isTemporary, disk: { ...wishes(mapping), file: `disk-${index}.qcow2`, digest } };
}

async function digestOfDisk({ ctx }: ExportWork, path: string): Promise<string> {
  const file = await openFileSource(path);
  try {
    const content = await openQcow2(file);
    return await contentDigest(content, {
      signal: ctx.signal,
      onProgress: (done) =>
        ctx.report.progress({ label: 'reading it once more', done, total: content.size, unit: 'bytes' }),
    });
  } finally {
    await file.close();
  }
}

function wishes({ deviceName, volumeSize, volumeType, iops, throughput, deleteOnTermination }: EbsMapping) {
  return { deviceName, volumeSize, volumeType, iops, throughput, deleteOnTermination };
}
