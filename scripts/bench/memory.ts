// How much memory an import takes at most: bonami's own process, and the programs that it runs.
import { execa } from 'execa';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { convert, makeDisk, withFolder } from './disks.ts';
import { type ImageWork, importInto, newHome } from './imports.ts';
import { note } from './measure.ts';

const SAMPLE_MS = 10;

export async function memory({ rows, dataMiB }: ImageWork): Promise<void> {
  for (const sizeMiB of [1024, 8192])
    await withFolder(async (folder) => {
      const { raw, qcow2 } = await makeDisk(folder, { sizeMiB, dataMiB: Math.min(dataMiB, sizeMiB) / 2 });
      const vmdk = await convert(raw, join(folder, 'disk.vmdk'), 'vmdk');
      await execa('xz', ['-0', '-T0', raw]);
      for (const path of [qcow2, `${raw}.xz`, vmdk]) {
        const { own, children } = await peakOfImport(path);
        const what = `import of ${path.replace(/.*disk\./, '')}, disk of ${sizeMiB / 1024} GiB`;
        note(`${what}: ${own} MiB, children ${JSON.stringify(children)}`);
        const measured = (name: string): string => `MiB, peak of ${name}`;
        rows.push({ what, measured: measured('bonami'), bonami: own, aim: '< 200 MiB', samples: [own] });
        for (const [name, peak] of Object.entries(children))
          if (peak >= 10) rows.push({ what, measured: measured(name), bonami: peak, samples: [peak] });
      }
    });
}

interface Peak {
  /** MiB. */
  readonly own: number;
  /** MiB of the largest program of each name. */
  readonly children: Readonly<Record<string, number>>;
}

async function peakOfImport(path: string): Promise<Peak> {
  const home = newHome();
  try {
    const child = execa(...importInto(home, path));
    let own = 0;
    const children: Record<string, number> = {};
    while (child.exitCode === null) {
      // The kernel remembers the peak: what is missed is only what a process still takes in its last moments.
      for (const { pid, name, peak } of processesOf(child.pid))
        if (pid === child.pid) own = Math.max(own, peak);
        else children[name] = Math.max(children[name] ?? 0, peak);
      await sleep(SAMPLE_MS);
    }
    await child;
    return { own, children };
  } finally {
    rmSync(home, { recursive: true });
  }
}

interface Sample {
  readonly pid: number;
  readonly name: string;
  /** MiB. */
  readonly peak: number;
}

/** A process and all that it has started, directly or not. */
function processesOf(root: number | undefined): readonly Sample[] {
  const parents = new Map<number, number>();
  const samples: Sample[] = [];
  for (const entry of readdirSync('/proc')) {
    const status = /^\d+$/.test(entry) ? statusOf(entry) : '';
    const field = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? '';
    if (field('VmHWM') === '') continue;
    const pid = Number(entry);
    parents.set(pid, Number(field('PPid')));
    samples.push({ pid, name: field('Name'), peak: Math.round(Number(field('VmHWM')) / 1024) });
  }
  const belongs = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === root || belongs(parents.get(pid)));
  return samples.filter(({ pid }) => belongs(pid));
}

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
