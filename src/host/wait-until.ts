import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** First pause between two probes; it doubles up to `maxPauseMs`. */
  readonly pauseMs?: number;
  readonly maxPauseMs?: number;
}

/**
 * Probes until the answer is not undefined; returns undefined when the time is over.
 * Time is monotonic, so a stepped wall clock neither shortens nor lengthens the wait. Aborting rejects.
 */
export async function waitUntil<T>(
  probe: () => T | undefined | Promise<T | undefined>,
  { timeoutMs, signal, pauseMs = 10, maxPauseMs = 250 }: WaitOptions,
): Promise<T | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (let pause = pauseMs; ; pause = Math.min(pause * 2, maxPauseMs)) {
    signal?.throwIfAborted();
    const answer = await probe();
    if (answer !== undefined) return answer;
    const left = deadline - performance.now();
    if (left <= 0) return undefined;
    await sleep(Math.min(pause, left), undefined, signal ? { signal } : {});
  }
}
