import type { Readable } from 'node:stream';

/** Ends a stream, with all that it is made from, and resolves when it is gone. */
export async function closed(stream: Readable): Promise<void> {
  stream.destroy();
  if (!stream.closed) await new Promise<void>((resolve) => stream.once('close', () => resolve()));
}

/** What an aborted signal says, as an error that a stream can be destroyed with. */
export function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason });
}
