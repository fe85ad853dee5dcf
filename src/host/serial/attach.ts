import { connect } from 'node:net';
import type { ReadStream, WriteStream } from 'node:tty';
import { HostError } from '../../core/errors.ts';

/** Ctrl-], as in telnet and virsh: no shell uses it. */
const DETACH = 0x1d;

export interface Terminal {
  readonly input: ReadStream;
  readonly output: WriteStream;
}

/**
 * Joins a terminal to a machine's serial console until Ctrl-] is typed or the machine ends. Bytes pass unchanged
 * in both directions; the terminal is put back as it was. Resolves to why it ended.
 */
export async function attachSerial(path: string, { input, output }: Terminal): Promise<'detached' | 'ended'> {
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause) =>
      reject(
        new HostError('ConsoleUnreachable', 'the serial console does not answer', {
          hint: 'bonami ls',
          cause,
        }),
      ),
    );
  });
  const wasRaw = input.isRaw;
  if (input.isTTY) input.setRawMode(true);
  input.resume();
  try {
    return await new Promise((resolve) => {
      socket.on('data', (bytes) => output.write(bytes));
      socket.on('error', () => undefined);
      socket.once('close', () => resolve('ended'));
      input.on('data', (bytes: Buffer) => {
        const at = bytes.indexOf(DETACH);
        if (at < 0) socket.write(bytes);
        else {
          socket.write(bytes.subarray(0, at));
          resolve('detached');
        }
      });
      input.once('end', () => input.isTTY && resolve('detached'));
    });
  } finally {
    socket.destroy();
    input.removeAllListeners('data');
    if (input.isTTY) input.setRawMode(wasRaw);
    input.pause();
  }
}
