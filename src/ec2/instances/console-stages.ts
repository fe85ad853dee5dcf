// What a guest's console says about its first boot, line by line. Pure: the only thing needed of a guest is that
// its image prints to the serial console, as every cloud image does.

export type ConsoleMark =
  | { readonly kind: 'stage'; readonly name: string; readonly version: string; readonly upSeconds: number }
  | {
      readonly kind: 'finished';
      readonly version: string;
      readonly datasource: string;
      readonly upSeconds: number;
    }
  | {
      readonly kind: 'problem';
      readonly severity: 'WARNING' | 'ERROR' | 'CRITICAL';
      readonly module: string;
      readonly message: string;
    }
  | { readonly kind: 'kernel'; readonly version: string }
  | { readonly kind: 'panic'; readonly message: string };

/** cloud-init: cloudinit/cmd/main.py, `welcome_format` and `FINAL_MESSAGE_DEF` of cc_final_message.py. */
const RUNNING = /Cloud-init v\. (\S+) running '([^']+)' at .*Up ([\d.]+) seconds/;
const FINISHED = /Cloud-init v\. (\S+) finished at .*Datasource (\w+).*Up ([\d.]+) seconds/;
const PROBLEM = /\b(\w+)\.py\[(WARNING|ERROR|CRITICAL)\]: (.*)$/;
const KERNEL = /Linux version (\S+)/;
const PANIC = /Kernel panic - not syncing: (.*)$/;
const TINY_READY = /^tiny: ready/;

/** What one console line means; undefined for the many that mean nothing here. */
export function readConsoleLine(line: string): ConsoleMark | undefined {
  const running = RUNNING.exec(line);
  if (running)
    return {
      kind: 'stage',
      version: running[1] ?? '',
      name: running[2] ?? '',
      upSeconds: Number(running[3]),
    };
  const finished = FINISHED.exec(line);
  if (finished)
    return {
      kind: 'finished',
      version: finished[1] ?? '',
      datasource: finished[2] ?? '',
      upSeconds: Number(finished[3]),
    };
  const problem = PROBLEM.exec(line);
  if (problem)
    return {
      kind: 'problem',
      module: problem[1] ?? '',
      severity: problem[2] as 'WARNING' | 'ERROR' | 'CRITICAL',
      message: problem[3] ?? '',
    };
  const kernel = KERNEL.exec(line);
  if (kernel) return { kind: 'kernel', version: kernel[1] ?? '' };
  const panic = PANIC.exec(line);
  if (panic) return { kind: 'panic', message: panic[1] ?? '' };
  if (TINY_READY.test(line))
    return {
      kind: 'finished',
      version: 'tiny',
      datasource: 'tiny',
      upSeconds: Number(/up ([\d.]+)/.exec(line)?.[1] ?? 0),
    };
  return undefined;
}

/** Splits a growing console text into whole lines; keeps the unfinished one for the next piece. */
export class LineReader {
  #rest = '';

  feed(text: string): readonly string[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines;
  }
}

/** People's words for cloud-init's stages (cloud-init documentation, "Boot stages"). */
export const STAGE_NAMES: Readonly<Record<string, string>> = {
  'init-local': 'looking for its datasource',
  init: 'bringing up network and users',
  'modules:config': 'running config modules',
  'modules:final': 'running packages and scripts',
};
