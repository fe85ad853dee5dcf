import type { Server } from 'node:net';
import { startNodeHelper } from '../command.ts';
import { HostError } from '../../core/errors.ts';

export interface ListenRequest {
  readonly namespacePath: string;
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
  namespacePath,
  address,
  port,
  helper,
}: ListenRequest): Promise<Server> {
  const child = startNodeHelper(['nsenter', `--net=${namespacePath}`], helper, [address, String(port)]);
  return new Promise((resolve, reject) => {
    const fail = (cause?: unknown): void =>
      reject(
        new HostError('ListenFailed', `cannot listen on ${address}:${port} in '${namespacePath}'`, {
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
