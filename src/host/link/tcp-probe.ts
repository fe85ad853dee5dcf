import { connect } from 'node:net';
import { ask, type Namespace } from './namespace.ts';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** Enter this namespace first: for a network that the host has no route to. */
  readonly namespace?: Namespace;
}

/**
 * What a TCP service says first, at most one line; undefined when it cannot be reached or says nothing in time.
 * A server that greets (SSH) has started; an open port alone may be a listening socket without one.
 */
export async function readBanner(
  { address, port, namespace }: Endpoint,
  timeoutMs: number,
): Promise<string | undefined> {
  if (namespace !== undefined) return scanKeys({ address, port }, namespace, timeoutMs);
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (banner?: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(banner);
    };
    const timer = setTimeout(end, timeoutMs);
    socket.once('data', (bytes) => end(bytes.toString('latin1').split('\n')[0]?.trim()));
    socket.once('error', () => end());
    socket.once('close', () => end());
  });
}

/** The same question through a namespace, where only a child process can go. */
async function scanKeys(
  { address, port }: Endpoint,
  namespace: Namespace,
  timeoutMs: number,
): Promise<string | undefined> {
  const seconds = String(Math.max(1, Math.round(timeoutMs / 1000)));
  const { stdout } = await ask(namespace, 'ssh-keyscan', ['-T', seconds, '-p', String(port), address]);
  return stdout.trim() === '' ? undefined : 'SSH-2.0';
}
