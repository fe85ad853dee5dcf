// A disk is a folder of numbered qcow2 files, its layers: 0.qcow2 lies lowest, each of the others holds what differs
// from the one below, and the highest is the disk. Layers below the highest never change, so folders share them by
// hard links: the file system counts who needs a layer, and nothing has to be collected.
import { chmodSync, chownSync, linkSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HostError } from '../../core/errors.ts';
import { createEmpty, createOverlay } from './qemu-img.ts';
import { syncFolder } from './durable.ts';

/** Each costs a look-up for what is not in it, and a file handle. */
const MOST_LAYERS = 100;
const LAYER = /^(\d{1,4})\.qcow2$/;

/** The layers of a disk, the lowest first, by absolute path; none when there is no disk. Throws `DiskBroken` for a gap. */
export function layersOf(folder: string): readonly string[] {
  const numbers = names(folder)
    .flatMap((name) => LAYER.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  if (numbers.some((number, index) => number !== index))
    throw new HostError('DiskBroken', `'${folder}' lacks layers: it has only ${numbers.join(', ')}`, {
      hint: 'bonami doctor',
    });
  return numbers.map((number) => layerPath(folder, number));
}

export function layerPath(folder: string, number: number): string {
  return join(folder, `${number}.qcow2`);
}

/** Gives another folder the same layers, which then belong to both. */
export function linkLayers(layers: readonly string[], folder: string): void {
  for (const [number, layer] of layers.entries()) linkSync(layer, layerPath(folder, number));
}

export interface NewLayer {
  /** The disk's bytes: not less than those of the layer below. */
  readonly sizeBytes: number;
  /** Who may write to it; the caller when null. */
  readonly uid: number | null;
}

/**
 * Puts a new layer on top, which takes all writes from now on; as the first one it is an empty disk. There whole
 * under its name, or not at all. Returns its path.
 */
export async function addLayer(folder: string, { sizeBytes, uid }: NewLayer): Promise<string> {
  const below = layersOf(folder);
  if (below.length >= MOST_LAYERS)
    throw new HostError(
      'TooManyLayers',
      `'${folder}' has ${below.length} layers, as many as a disk may have`,
      {
        hint: 'bonami image create, image export and image import make a disk of one layer again',
      },
    );
  const path = layerPath(folder, below.length);
  const unfinished = `${path}.new`;
  rmSync(unfinished, { force: true });
  const top = below.at(-1);
  if (top === undefined) await createEmpty({ path: unfinished, sizeBytes });
  else await createOverlay({ path: unfinished, backingPath: top, sizeBytes });
  chmodSync(unfinished, 0o600);
  if (uid !== null) chownSync(unfinished, uid, uid);
  renameSync(unfinished, path);
  await syncFolder(folder);
  return path;
}

/** Nobody may write to it any more, and every machine's user may read it by its full path. */
export function freezeLayer(path: string): void {
  const root = process.getuid?.() === 0;
  if (root) chownSync(path, 0, 0);
  chmodSync(path, root ? 0o444 : 0o400);
}

/** Removes the highest layer again, when nothing was written to it. */
export async function dropLayer(path: string): Promise<void> {
  rmSync(path, { force: true });
  await syncFolder(dirname(path));
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
