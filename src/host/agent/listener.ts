import type { Server } from 'node:net';
import { startNodeHelper } from '../command.ts';
import { HostError } from '../../core/errors.ts';
import type { Namespace } from '../link/namespace.ts';

export interface ListenRequest {
  readonly namespace: Namespace;
  readonly address: string;
  readonly port: number;
  /** The program that opens the socket (dist/listen-helper.js). */
  readonly helper: string;
}

/**
 * A listening socket that lives in another network namespace. Node cannot change its namespace, so a short-lived
 * helper is started inside, opens the socket, hands it over and ends.
 */
export async function listenInNamespace({
  namespace,
  address,
  port,
  helper,
}: ListenRequest): Promise<Server> {
  const child = startNodeHelper(namespace.enter, helper, [address, String(port)]);
  return new Promise((resolve, reject) => {
    const fail = (cause?: unknown): void =>
      reject(
        new HostError('ListenFailed', `cannot listen on ${address}:${port} in '${namespace.file}'`, {
          cause,
          hint: 'bonami doctor',
        }),
      );
    child.once('message', (_message, handle) => {
      resolve(handle as Server);
      child.disconnect();
    });
    child.once('error', fail);
    child.once('exit', fail);
  });
}
