// A second reader of the same files: what we say of a disk that qemu-img made, qemu-img says too.
import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inspectFile } from '../../../../../src/host/disk/inspector/inspect.ts';
import type { DiskFormat } from '../../../../../src/host/disk/qemu-img.ts';
import {
  mbrDisk,
  vdiFile,
  vhdDynamic,
  vhdFixed,
  vhdxFile,
  vmdkFile,
  vmdkStream,
} from '../../../../support/disk-headers.ts';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'bonami-agreement-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function qemuImg(...args: readonly string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** What qemu-img takes for the disk's size, told the format. */
function sizeSeen(path: string, format: DiskFormat): number {
  const facts = JSON.parse(qemuImg('info', '-f', format, '--output=json', path)) as {
    'virtual-size': number;
  };
  return facts['virtual-size'];
}

const MADE: readonly (readonly [format: DiskFormat, options: string])[] = [
  ['qcow2', 'cluster_size=64k'],
  ['raw', 'preallocation=off'],
  ['vmdk', 'subformat=monolithicSparse'],
  ['vmdk', 'subformat=monolithicSparse,zeroed_grain=on'],
  ['vmdk', 'subformat=monolithicSparse,hwversion=6,adapter_type=lsilogic'],
  ['vmdk', 'subformat=streamOptimized'],
  ['vpc', 'subformat=dynamic'],
  ['vpc', 'subformat=dynamic,force_size=on'],
  ['vpc', 'subformat=fixed'],
  ['vpc', 'subformat=fixed,force_size=on'],
  ['vhdx', 'subformat=dynamic'],
  ['vhdx', 'subformat=dynamic,block_size=1M,log_size=2M'],
  ['vhdx', 'subformat=dynamic,block_size=256M'],
  ['vhdx', 'subformat=fixed'],
  ['vhdx', 'subformat=fixed,block_size=1M'],
  ['vdi', 'static=off'],
  ['vdi', 'static=on'],
];

// Whole MiBs, and a size that no geometry, block or grain divides.
describe.each([4 << 20, (3 << 20) + 3 * 512])('a disk of %i bytes', (bytes) => {
  test.each(MADE)('%s with %s', async (format, options) => {
    const [raw, path] = [join(folder, `${bytes}.raw`), join(folder, 'made.img')];
    writeFileSync(raw, randomFillSync(mbrDisk(bytes), 1 << 20, 200_000));
    qemuImg('convert', '-f', 'raw', '-O', format, '-o', options, raw, path);
    const disk = await inspectFile(path);
    expect(disk).toEqual({ format, virtualSize: sizeSeen(path, format) });
    expect(await inspectFile(path, { format })).toEqual(disk);
    expect(disk.virtualSize - bytes).toBeLessThan(format === 'vpc' ? 16 * 63 * 512 : 512);
  });
});

test.each<[DiskFormat, string]>([
  ['qcow2', '1T'],
  ['vmdk', '1T'],
  ['vpc', '1T'],
  ['vpc', '100G'],
  ['vhdx', '1T'],
  ['vdi', '1T'],
])('an empty %s of %s', async (format, size) => {
  const path = join(folder, 'empty.img');
  qemuImg('create', '-q', '-f', format, path, size);
  await expect(inspectFile(path)).resolves.toEqual({ format, virtualSize: sizeSeen(path, format) });
});

describe('files as other programs make them', () => {
  test.each<[string, DiskFormat, Buffer]>([
    ['a VMDK', 'vmdk', vmdkFile()],
    ['an exported VMDK with a footer', 'vmdk', vmdkStream()],
    ["a fixed VHD of Hyper-V's", 'vpc', vhdFixed({ size: 2n ** 20n }, 2 ** 20)],
    ["a fixed VHD of XenServer's", 'vpc', vhdFixed({ size: 2n ** 20n, creator: 'tap\0' }, 2 ** 20)],
    ["a fixed VHD of Virtual PC's", 'vpc', vhdFixed({ size: 2n ** 23n, creator: 'vpc ' }, 2 ** 23)],
    ["a dynamic VHD of Hyper-V's", 'vpc', vhdDynamic({ size: 3n << 20n })],
    ["a dynamic VHD of disk2vhd's", 'vpc', vhdDynamic({ size: 3n << 20n, creator: 'd2v ' })],
    ["a dynamic VHD of VirtualBox'", 'vpc', vhdDynamic({ creator: 'vbox' })],
    ['a VHDX', 'vhdx', vhdxFile()],
    ['a VDI', 'vdi', vdiFile()],
    ['a VDI of an odd size', 'vdi', vdiFile({ size: (4n << 20n) - 100n })],
  ])('%s', async (_name, format, file) => {
    const path = join(folder, 'theirs.img');
    writeFileSync(path, file);
    await expect(inspectFile(path)).resolves.toEqual({ format, virtualSize: sizeSeen(path, format) });
  });
});
