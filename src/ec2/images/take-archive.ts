import type { Readable } from 'node:stream';
import { HostError } from '../../core/errors.ts';
import { peek } from '../../host/archive/peek.ts';
import { unwrap } from '../../host/archive/unwrap.ts';
import { readOva } from '../../host/archive/read-ova.ts';
import { readTar } from '../../host/archive/read-tar.ts';
import { takeDiskStream } from '../../host/disk/take-disk.ts';
import { closed } from '../../host/streams.ts';
import { MANIFEST, type Manifest, type ManifestDisk, MAX_MANIFEST_BYTES, parseManifest } from './bundle.ts';
import { isName, nameFromFile } from './image-description.ts';
import type { ArrivedDisk, ArrivedMapping } from './receive-image.ts';
import { commonOptions, type Source, takeInto, type TakenImage } from './take-image.ts';

/** Bytes of a tar header's name field. */
const NAME_BYTES = 100;

/**
 * Takes the disks of an archive: an OVA begins with its descriptor and a bundle of ours with its manifest; any other
 * tar file must hold one disk and nothing else that looks like one.
 */
export async function takeArchive(source: Source, stream: Readable): Promise<TakenImage> {
  const first = (await peek(stream, NAME_BYTES))
    .toString('latin1')
    .replace(/\0.*$/s, '')
    .replace(/^\.\//, '');
  if (/\.ovf$/i.test(first)) return takeOva(source, stream);
  if (first === MANIFEST) return takeBundle(source, stream);
  return takePlainTar(source, stream);
}

async function takeFile(
  source: Source,
  name: string,
  { stream, size }: { readonly stream: Readable; readonly size: number },
): Promise<ArrivedDisk> {
  const { signal } = source.ctx;
  const { layers, content } = await unwrap(stream, { signal });
  try {
    return await takeInto(source.arrivals, async (to) =>
      takeDiskStream(content, {
        ...commonOptions(source, to),
        workFolder: source.arrivals.workFolder,
        name: `${name} in ${source.name}`,
        length: layers.length === 0 ? size : undefined,
      }),
    );
  } finally {
    await closed(content);
  }
}

async function takeBundle(source: Source, stream: Readable): Promise<TakenImage> {
  const { signal } = source.ctx;
  let manifest: Manifest | undefined;
  const arrived = new Map<string, ArrivedDisk>();
  for await (const entry of readTar(stream, { signal, leadingDot: 'dropped' })) {
    if (manifest === undefined) {
      manifest = parseManifest(await readText(entry.stream, MAX_MANIFEST_BYTES));
      continue;
    }
    const disk = manifest.disks.find(({ file }) => file === entry.name);
    if (disk === undefined)
      throw new HostError(
        'BundleBroken',
        `'${source.name}' holds '${entry.name}', which its manifest does not name`,
      );
    arrived.set(
      disk.file,
      requireDigest(await takeFile({ ...source, format: 'qcow2' }, entry.name, entry), disk, source),
    );
  }
  if (manifest === undefined) throw new HostError('BundleBroken', `'${source.name}' has no manifest`);
  return fromManifest(manifest, (disk) => {
    const found = arrived.get(disk.file);
    if (found) return found;
    throw new HostError('BundleBroken', `'${source.name}' lacks '${disk.file}', which its manifest names`);
  });
}

function requireDigest(arrived: ArrivedDisk, { file, digest }: ManifestDisk, { name }: Source): ArrivedDisk {
  if (arrived.layers[0] === digest) return arrived;
  throw new HostError('ImageDigestMismatch', `'${file}' in '${name}' is not what its manifest says it is`, {
    details: [`expected ${digest}`, `received ${arrived.layers[0]}`],
  });
}

function fromManifest(manifest: Manifest, diskOf: (disk: ManifestDisk) => ArrivedDisk): TakenImage {
  const { rootDeviceName } = manifest;
  const mappings = manifest.disks.map(
    ({ file: _file, digest: _digest, ...wishes }, index): ArrivedMapping => {
      const disk = manifest.disks[index];
      if (disk === undefined) throw new Error('no disk');
      return { ...wishes, disk: diskOf(disk) };
    },
  );
  const root = mappings.find(({ deviceName }) => deviceName === rootDeviceName);
  if (root === undefined) throw new Error('the manifest was parsed without a root disk');
  const { name, description, architecture, bootMode, defaultUser, firstBoot, cpuBaseline } = manifest;
  return {
    root,
    others: mappings.filter((each) => each !== root),
    otherMappings: [
      ...manifest.emptyVolumes.map((each) => ({ kind: 'ebs' as const, ...each, snapshotId: null })),
      ...manifest.instanceStore.map((each) => ({ kind: 'instance-store' as const, ...each })),
    ],
    origin: {
      name,
      description,
      architecture,
      bootMode,
      rootDeviceName,
      defaultUser,
      firstBoot,
      cpuBaseline,
    },
  };
}

async function takePlainTar(source: Source, stream: Readable): Promise<TakenImage> {
  const { signal } = source.ctx;
  let root: ArrivedDisk | undefined;
  let taken = '';
  for await (const entry of readTar(stream, { signal, leadingDot: 'dropped', folders: 'skipped' })) {
    // What people put beside a disk: notes and checksums.
    if (/\.(?:txt|md|json|sha\d+|sha\d+sum|sig|asc)$/i.test(entry.name) || entry.size === 0) continue;
    if (root !== undefined)
      throw new HostError(
        'ArchiveHostile',
        `'${source.name}' holds '${taken}' and '${entry.name}': which one is the disk?`,
        {
          hint: 'unpack it and import the disk',
        },
      );
    taken = entry.name;
    root = await takeFile(source, entry.name, entry);
  }
  if (root === undefined) throw new HostError('ArchiveCorrupt', `'${source.name}' holds no disk`);
  return { root: { disk: root }, others: [], otherMappings: [], origin: {} };
}

/** EC2's names for the disks after the first (AWS: "Device names for volumes"). */
const OTHER_DEVICES = 'fghijklmnop';

async function takeOva(source: Source, stream: Readable): Promise<TakenImage> {
  const arrived = new Map<string, ArrivedDisk>();
  const ova = await readOva(stream, {
    signal: source.ctx.signal,
    onDisk: async ({ file }, content, size) => {
      if (arrived.size > OTHER_DEVICES.length)
        throw new HostError(
          'OvfRefused',
          `'${source.name}' has more than ${OTHER_DEVICES.length + 1} disks, for which there are no device names`,
        );
      arrived.set(file, await takeFile(source, file, { stream: content, size }));
    },
  });
  const disks = ova.disks.flatMap(({ file }) => arrived.get(file) ?? []);
  const [root, ...others] = disks;
  if (root === undefined) throw new HostError('ArchiveCorrupt', `'${source.name}' holds no disk`);
  return {
    root: { disk: root },
    others: others.map((disk, index) => ({ deviceName: `/dev/sd${OTHER_DEVICES[index]}`, disk })),
    otherMappings: [],
    origin: {
      ...nameOf(ova.name),
      ...(ova.firmware === undefined ? {} : { bootMode: ova.firmware === 'efi' ? 'uefi' : 'legacy-bios' }),
    },
  };
}

/** A machine may be called as no image can be. */
function nameOf(said = ''): Pick<TakenImage['origin'], 'name'> {
  const name = nameFromFile(said);
  return isName(name) ? { name } : {};
}

async function readText(stream: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes)
      throw new HostError('BundleBroken', `the manifest is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
