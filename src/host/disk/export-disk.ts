import { rm } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { HostError } from '../../core/errors.ts';
import { run } from '../command.ts';
import { confine } from '../confine.ts';
import { namingFullFolder, syncFile } from './durable.ts';

/** What a disk can be made into, and how qemu-img is told. */
const FORMATS = {
  qcow2: { driver: 'qcow2', options: [] },
  'qcow2-compressed': { driver: 'qcow2', options: ['-c', '-o', 'compression_type=zlib'] },
  raw: { driver: 'raw', options: [] },
  vmdk: { driver: 'vmdk', options: ['-o', 'subformat=streamOptimized'] },
  /** Whole MiB and the exact size, as Azure and Hyper-V want it. */
  vhd: { driver: 'vpc', options: ['-o', 'subformat=dynamic,force_size=on'] },
  vhdx: { driver: 'vhdx', options: ['-o', 'subformat=dynamic'] },
  vdi: { driver: 'vdi', options: [] },
} as const;

/** Seconds. */
const DAY = 24 * 3600;

export type ExportFormat = keyof typeof FORMATS;

export interface ExportRequest {
  /** The disk's layers, the lowest first. */
  readonly layers: readonly string[];
  /** Made, absolute. */
  readonly to: string;
  readonly format: ExportFormat;
  /** Bytes the guest sees. */
  readonly virtualSize: number;
  readonly signal: AbortSignal;
  /** Percent, 0 to 100. */
  readonly onProgress: (percent: number) => void;
}

/** Writes a disk as one file of another format; there whole and durable, or not at all. */
export async function exportDisk({
  layers,
  to,
  format,
  virtualSize,
  signal,
  onProgress,
}: ExportRequest): Promise<void> {
  if (!isAbsolute(to)) throw new HostError('InvalidArgument', `'${to}' is not an absolute path`);
  const { driver, options } = FORMATS[format];
  try {
    const args = [
      'convert',
      '-p',
      '-U',
      '--image-opts',
      '-O',
      driver,
      ...options,
      '--',
      imageOptions(layers),
      to,
    ];
    // The layers are ours, but what is in them was written by guests. Room for tables and for what does not compress.
    const fileBytes = Math.ceil(virtualSize * 1.01) + 64 * 2 ** 20;
    const line = await confine('qemu-img', args, { cpuSeconds: DAY, fileBytes, uses: 'files' });
    await run(line.command, line.args, {
      timeoutMs: DAY * 1000,
      signal,
      onStdoutLine: (text) => {
        const percent = /\((\d+(?:\.\d+)?)\/100%\)/.exec(text)?.[1];
        if (percent !== undefined) onProgress(Number(percent));
      },
    });
    await syncFile(to);
  } catch (error) {
    await rm(to, { force: true });
    throw namingFullFolder(error, dirname(to));
  }
}

/** Every layer by its path and format (qemu-img(1), "--image-opts"): what a header says is not followed. */
function imageOptions(layers: readonly string[]): string {
  return layers
    .toReversed()
    .flatMap((path, depth) => {
      const prefix = 'backing.'.repeat(depth);
      // A comma would begin another option; our own paths have none.
      if (path.includes(',')) throw new HostError('InvalidArgument', `'${path}' has a comma`);
      return [`${prefix}driver=qcow2`, `${prefix}file.driver=file`, `${prefix}file.filename=${path}`];
    })
    .join(',');
}
