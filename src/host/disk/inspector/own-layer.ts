import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { HostError } from '../../../core/errors.ts';

/** docs/interop/qcow2.txt: dirty (0), compression type (3) and subclusters (4) reach no other file. */
const HARMLESS_BITS = 0b11001n;

/**
 * Throws `DiskBroken` unless a layer that a machine has written to is still one of ours: qcow2 on the layer of the
 * next lower number, without another data file and without encryption. Whoever broke out of a guest into its QEMU
 * could have made it lead anywhere.
 */
export async function requireOwnLayer(path: string, name: string = basename(path)): Promise<void> {
  const file = await open(path);
  try {
    const head = Buffer.alloc(4096);
    await file.read(head, 0, head.length, 0);
    const number = Number(/^(\d+)\.qcow2$/.exec(name)?.[1]);
    const isOurs =
      head.toString('latin1', 0, 4) === 'QFI\u00fb' &&
      head.readUInt32BE(4) === 3 &&
      head.readUInt32BE(32) === 0 &&
      (head.readBigUInt64BE(72) & ~HARMLESS_BITS) === 0n &&
      backingOf(head) === (number === 0 ? '' : `${number - 1}.qcow2`);
    if (!isOurs)
      throw new HostError(
        'DiskBroken',
        `'${path}' is not the disk that bonami made: its header was changed`,
        {
          hint: 'do not start that instance again; copy what you need out of it while it runs',
        },
      );
  } finally {
    await file.close();
  }
}

function backingOf(head: Buffer): string | undefined {
  const offset = head.readBigUInt64BE(8);
  const length = head.readUInt32BE(16);
  if (offset + BigInt(length) > BigInt(head.length)) return undefined;
  return head.toString('latin1', Number(offset), Number(offset) + length);
}
