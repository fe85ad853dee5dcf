// What was seen of an instance from outside, a JSON line each: its metadata requests and its machine's QMP events.
// Written by the agent, read by whoever waits. Append-only, so a reader needs nothing but the file.
import { appendFileSync, readFileSync } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import type { InstancePaths } from '../../store/layout.ts';

export type InstanceEvent =
  | { readonly t: number; readonly kind: 'imds'; readonly path: string; readonly status: number }
  | { readonly t: number; readonly kind: 'qmp'; readonly event: string; readonly reason?: string };

/** All events of this boot of the host, oldest first; a line that cannot be read is left out. */
export function readEvents({ events }: Pick<InstancePaths, 'events'>): readonly InstanceEvent[] {
  let text: string;
  try {
    text = readFileSync(events, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as InstanceEvent];
    } catch {
      return [];
    }
  });
}

/** Adds an event; an instance whose folder is gone has nobody left who would read it. */
export function appendEvent({ events }: Pick<InstancePaths, 'events'>, event: InstanceEvent): void {
  try {
    appendFileSync(events, `${JSON.stringify(event)}\n`, { mode: 0o600 });
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/**
 * Who ended the machine, as far as QEMU said (QMP: SHUTDOWN, `reason`); undefined when nobody heard it. A reset
 * after it means that it went on, as in a reboot.
 */
export function lastShutdown(paths: Pick<InstancePaths, 'events'>): 'guest' | 'host' | undefined {
  const last = readEvents(paths).findLast(
    (event) => event.kind === 'qmp' && (event.event === 'SHUTDOWN' || event.event === 'RESET'),
  );
  if (last?.kind !== 'qmp' || last.event !== 'SHUTDOWN') return undefined;
  return last.reason?.startsWith('guest') === true ? 'guest' : 'host';
}
