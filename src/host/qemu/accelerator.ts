import { closeSync, constants, openSync, readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { type Architecture } from '../../core/architecture.ts';
import { errnoOf } from '../../core/errors.ts';
import { commandPath } from '../command.ts';
import { bootId } from '../process/identity.ts';
import { writeWhole } from '../whole-file.ts';
import { proveAccelerator } from './kvm-proof.ts';
import type { Accelerator } from './machine-spec.ts';

export interface AcceleratorVerdict {
  readonly accelerator: Accelerator;
  /** Why not KVM: a person's words. */
  readonly reason?: string;
  /** A foreign architecture is emulated by nature; everything else is this host's state. */
  readonly kind: 'usable' | 'cross-architecture' | 'unusable';
  /** What mends it, where something does. */
  readonly remedy?: string;
}

export interface AcceleratorQuestion {
  readonly architecture: Architecture;
  readonly hostArchitecture: Architecture | undefined;
  readonly binary: string;
  /** File where a proved verdict is kept for the rest of this boot. */
  readonly knownFacts: string;
}

const DEVICE = '/dev/kvm';

/**
 * KVM if it truly works for this architecture on this host, TCG otherwise, with the reason. The real test runs once
 * per boot, kernel, processor and QEMU; afterwards the answer costs a few file reads. BONAMI_ACCEL=tcg skips it.
 */
export async function probeAccelerator({
  architecture,
  hostArchitecture,
  binary,
  knownFacts,
}: AcceleratorQuestion): Promise<AcceleratorVerdict> {
  if (process.env['BONAMI_ACCEL'] === 'tcg') return unusable('BONAMI_ACCEL=tcg asks for it');
  if (!sameProcessor(architecture, hostArchitecture))
    return {
      accelerator: 'tcg',
      kind: 'cross-architecture',
      reason: `this host is ${hostArchitecture ?? process.arch}`,
    };
  const obvious = obviousObstacle(architecture);
  if (obvious) return obvious;
  const key = await factKey(binary);
  const known = readFact(knownFacts, key);
  if (known !== undefined) return known === '' ? usable() : unusable(known);
  const obstacle =
    architecture === 'x86_64' || architecture === 'i386' ? await proveAccelerator(binary, 'kvm') : undefined;
  writeFact(knownFacts, key, obstacle ?? '');
  return obstacle === undefined ? usable() : unusable(obstacle);
}

function usable(): AcceleratorVerdict {
  return { accelerator: 'kvm', kind: 'usable' };
}

function unusable(reason: string, remedy?: string): AcceleratorVerdict {
  return { accelerator: 'tcg', kind: 'unusable', reason, ...(remedy === undefined ? {} : { remedy }) };
}

function sameProcessor(guest: Architecture, host: Architecture | undefined): boolean {
  return guest === host || (guest === 'i386' && host === 'x86_64');
}

/** What can be seen without starting anything. */
function obviousObstacle(architecture: Architecture): AcceleratorVerdict | undefined {
  try {
    closeSync(openSync(DEVICE, constants.O_RDWR));
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT')
      return unusable(
        'there is no /dev/kvm',
        'enable virtualization in the firmware, or nested virtualization',
      );
    if (code === 'EACCES')
      return unusable('/dev/kvm may not be opened', 'sudo usermod -aG kvm $USER, then log in again');
    if (code === 'EBUSY') return unusable('another hypervisor holds /dev/kvm');
    return unusable(`/dev/kvm cannot be opened (${code})`);
  }
  const x86 = architecture === 'x86_64' || architecture === 'i386';
  if (x86 && !/^flags\s*:.*\b(?:vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8')))
    return unusable('the processor offers this host no hardware virtualization');
  return undefined;
}

/** Everything that a verdict depends on. ctime too: a package upgrade may keep size and mtime. */
async function factKey(binary: string): Promise<string> {
  const path = (await commandPath(binary)) ?? binary;
  const { ino, size, mtimeMs, ctimeMs } = statSync(path);
  const model = /^model name\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  return [bootId(), release(), model, path, ino, size, mtimeMs, ctimeMs].join('|');
}

/** The kept reason, empty when KVM was proved; undefined when nothing is known. */
function readFact(path: string, key: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>)[key];
  } catch {
    return undefined;
  }
}

function writeFact(path: string, key: string, value: string): void {
  writeWhole(path, JSON.stringify({ [key]: value }), 0o600);
}
