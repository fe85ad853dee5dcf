// How much there is of what machines use up.
import { readFileSync, statfsSync } from 'node:fs';
import type { Finding } from './finding.ts';

const LOW_SPACE = 4 * 2 ** 30;
const LOW_MEMORY_MIB = 1024;

export function disk(home: string): Finding {
  const { bavail, bsize } = statfsSync(home);
  const free = bavail * bsize;
  const fact = `${(free / 2 ** 30).toFixed(1)} GiB free in ${home}`;
  return free < LOW_SPACE
    ? { name: 'disk', status: 'warn', fact, remedy: 'free some space, or set BONAMI_HOME to another disk' }
    : { name: 'disk', status: 'ok', fact };
}

export function memory(): Finding {
  const available =
    Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) / 1024;
  return {
    name: 'memory',
    status: available < LOW_MEMORY_MIB ? 'warn' : 'ok',
    fact: `${Math.floor(available)} MiB available`,
  };
}
