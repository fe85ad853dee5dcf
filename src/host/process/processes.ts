// Looking for processes that nobody has recorded: only ever after something was killed.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** All processes of this moment of which `test` is true; of other people's it can see little. */
export function processesThat(test: (pid: number) => boolean): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter(test);
}

/** A process's command line; no words when it is gone. */
export function commandOf(pid: number): readonly string[] {
  return (textAt(`/proc/${pid}/cmdline`) ?? '').split('\0').slice(0, -1);
}

export function hasOpen(pid: number, path: string): boolean {
  return entries(`/proc/${pid}/fd`).some((each) => linkTarget(`/proc/${pid}/fd/${each}`) === path);
}

/** A file's text; undefined when it is not there or not for us. */
export function textAt(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** A folder's entries; none when it is not there or not for us. */
export function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
