// Imports against the programs that do a part of the same: bonami also hashes what it reads, looks at what is on the
// disk, records it, and what it has made is on the disk when it returns. The others are measured as people type them,
// and followed by `sync FILE`, which is what they then lack.
import { execa } from 'execa';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PROGRAM } from '../../test/support/cloud.ts';
import { convert, makeDisk, makeRaw, withFolder } from './disks.ts';
import { alternate, compared, type Row, type Way } from './measure.ts';

export interface ImageWork {
  readonly rows: Row[];
  readonly dataMiB: number;
}

/** Options that spare the import any question about disks that hold no system. */
export const DESCRIBED =
  '--name bench --architecture x86_64 --boot-mode legacy-bios --user root --first-boot none';

/** The command line of an import into a home. */
export function importInto(home: string, path: string): readonly [string, readonly string[], object] {
  const words = ['image', 'import', path, ...DESCRIBED.split(' ')];
  const options = { env: { BONAMI_HOME: home, BONAMI_INTERNET: 'off' }, stdin: 'ignore' };
  return [process.execPath, [PROGRAM, ...words], options];
}

export function newHome(): string {
  return mkdtempSync('/var/tmp/bonami-bench-home-');
}

function bonami(path: string): Way {
  let home = '';
  return {
    before: async () => {
      home = newHome();
    },
    work: async () => execa(...importInto(home, path)),
    after: async () => {
      rmSync(home, { recursive: true });
      await execa('sync');
    },
  };
}

/** Commands, one after the other, that make a file; it is removed afterwards. */
function making(made: string, ...commands: readonly (readonly [string, ...string[]])[]): Way {
  return {
    work: async () => {
      for (const [command, ...args] of commands) await execa(command, args, { stdout: 'ignore' });
    },
    after: async () => {
      rmSync(made, { force: true });
      // What was not written yet would slow the next one down.
      await execa('sync');
    },
  };
}

/** Disks that are not compressed, against converting and against copying them. */
export async function plain({ rows, dataMiB }: ImageWork): Promise<void> {
  await withFolder(async (folder) => {
    const disk = await makeDisk(folder, { dataMiB, sizeMiB: 2 * dataMiB });
    const made = join(folder, 'made');
    for (const [format, path] of Object.entries(disk)) {
      const what = `import of ${format}, ${dataMiB} MiB of data`;
      const conversion = ['qemu-img', 'convert', '-f', format, '-O', 'qcow2', path, made] as const;
      const copy = ['cp', '--reflink=auto', path, made] as const;
      const taken = await alternate(what, {
        bonami: bonami(path),
        convert: making(made, conversion),
        convertSynced: making(made, conversion, ['sync', made]),
        copy: making(made, copy),
        copySynced: making(made, copy, ['sync', made]),
      });
      const row = (reference: keyof typeof taken, against: string, aim?: string): Row =>
        compared(taken.bonami, taken[reference], { what, against, ...(aim && { aim }) });
      rows.push(
        row('convert', 'qemu-img convert', '<= 1.15'),
        row('convertSynced', 'qemu-img convert, sync', '<= 1.15'),
        row('copy', 'cp', '<= 1.0 with reflinks'),
        row('copySynced', 'cp, sync'),
      );
    }
  });
}

/** Formats that qemu-img reads for us, against qemu-img alone. */
export async function converted({ rows, dataMiB }: ImageWork): Promise<void> {
  await withFolder(async (folder) => {
    const { raw } = await makeDisk(folder, { dataMiB, sizeMiB: 2 * dataMiB });
    const path = await convert(raw, join(folder, 'disk.vmdk'), 'vmdk');
    const made = join(folder, 'made');
    const what = `import of vmdk, ${dataMiB} MiB of data`;
    const alone = ['qemu-img', 'convert', '-f', 'vmdk', '-O', 'qcow2', path, made] as const;
    const taken = await alternate(what, {
      bonami: bonami(path),
      convertSynced: making(made, alone, ['sync', made]),
    });
    rows.push(compared(taken.bonami, taken.convertSynced, { what, against: 'qemu-img convert, sync' }));
  });
}

/** How much more a compressed disk takes than its decompression alone, and than unpacking and converting by hand. */
export async function compressed({ rows, dataMiB }: ImageWork): Promise<void> {
  // Decompression is slow, and its speed does not depend on how much there is.
  const size = { dataMiB: Math.ceil(dataMiB / 8), sizeMiB: Math.ceil(dataMiB / 4), isCompressible: true };
  await withFolder(async (folder) => {
    const raw = join(folder, 'disk.raw');
    await makeRaw(raw, size);
    // One block, as most images are published: it cannot be unpacked by several threads.
    await execa('xz', ['-k', '-1', '-T1', raw]);
    await execa('zstd', ['-q', '-k', '-T1', raw]);
    rmSync(raw);
    const made = join(folder, 'made');
    const unpacked = join(folder, 'unpacked.raw');
    for (const [program, path] of [
      ['xz', `${raw}.xz`],
      ['zstd', `${raw}.zst`],
    ] as const) {
      const what = `import of raw.${program}, ${size.dataMiB} MiB of data`;
      const conversion = ['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', unpacked, made] as const;
      const unpack = ['sh', '-c', `${program} -dc "$0" > "$1"`, path, unpacked] as const;
      const steps = making(made, unpack, conversion, ['rm', unpacked], ['sync', made]);
      const taken = await alternate(what, {
        bonami: bonami(path),
        // As bonami runs it: last in the queue.
        alone: making(made, ['sh', '-c', `nice -n 10 ${program} -dc "$0" > /dev/null`, path]),
        steps,
      });
      rows.push(
        compared(taken.bonami, taken.alone, {
          what,
          against: `nice ${program} -dc > /dev/null`,
          ...(program === 'xz' && { aim: '<= 1.1' }),
        }),
        compared(taken.bonami, taken.steps, { what, against: `${program} -dc, qemu-img convert, sync` }),
      );
    }
  });
}
