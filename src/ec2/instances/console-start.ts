import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InstancePaths } from '../../store/layout.ts';

// The console log goes on over stop and start; this tells where the current boot begins in it.

function markFile({ runFolder }: Pick<InstancePaths, 'runFolder'>): string {
  return join(runFolder, 'console-start');
}

/** Marks the present end of the console log as the beginning of the boot that follows. */
export function markConsoleStart(paths: Pick<InstancePaths, 'runFolder' | 'console'>): void {
  writeFileSync(markFile(paths), String(statSync(paths.console).size), { mode: 0o600 });
}

/** Offset of the current boot's first byte; 0 when it was never marked. */
export function consoleStart(paths: Pick<InstancePaths, 'runFolder'>): number {
  try {
    return Number(readFileSync(markFile(paths), 'utf8')) || 0;
  } catch {
    return 0;
  }
}
