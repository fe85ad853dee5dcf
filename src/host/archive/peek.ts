import type { Readable } from 'node:stream';

/** The first bytes of a stream, fewer when it ends before; they are put back. Throws what the stream fails with. */
export async function peek(stream: Readable, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const listeners: Readonly<Record<string, () => void>> = {
      // Listened to once: taking the listener away and back while there is something to read, though too little,
      // would make the stream announce it again, at once and for ever, before any input could arrive.
      readable: () => {
        // Once the stream has ended, `read` gives less than it was asked for.
        const head = stream.read(length) as Buffer | null;
        if (head === null) return;
        stream.unshift(head);
        settle(() => resolve(head));
      },
      end: () => settle(() => resolve(Buffer.alloc(0))),
      close: () => settle(() => reject(stream.errored ?? new Error('the stream was closed before its end'))),
    };
    const settle = (finish: () => void): void => {
      for (const [event, listener] of Object.entries(listeners)) stream.off(event, listener);
      finish();
    };
    // The error is thrown from here; that it is an event as well must not end the process.
    stream.on('error', () => {});
    for (const [event, listener] of Object.entries(listeners)) stream.on(event, listener);
    if (stream.readableEnded) listeners['end']?.();
    else if (stream.closed) listeners['close']?.();
    // What was put back by another look, at the end of the stream, is not announced again.
    else listeners['readable']?.();
  });
}
