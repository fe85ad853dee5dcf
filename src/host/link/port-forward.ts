// A port of this host that is another machine's: each connection to it is joined to one over there.
import { createServer, type Socket } from 'node:net';
import { errnoOf, HostError } from '../../core/errors.ts';
import { listenerOn } from './port-owner.ts';

export interface ListenAt {
  readonly address: string;
  /** 0 lets the kernel choose a free one. */
  readonly port: number;
}

export interface ForwardOptions {
  /** Called for each connection. */
  readonly connect: () => Promise<Socket>;
  /** A connection could not be passed on; whoever made it sees a reset. */
  readonly onRefused: (error: unknown) => void;
}

/** A port that is listened on. */
export interface OpenForward extends ListenAt {
  /** Closes it, with the connections that came by it. */
  close(): void;
}

/** How often a machine over there is asked whether it still lives, when neither side says anything. */
const KEEP_ALIVE_MS = 30_000;

/**
 * Listens on a TCP port of this host and passes each connection on, until it is closed. Throws `PortInUse`, which
 * says by whom, `PortNotAllowed` or `ListenFailed`.
 */
export async function forwardPort(
  at: ListenAt,
  { connect, onRefused }: ForwardOptions,
): Promise<OpenForward> {
  const clients = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    clients.add(client);
    client.once('close', () => clients.delete(client));
    // What it means for the other side is said where they are joined.
    client.on('error', () => undefined);
    connect().then(
      (there) => join(client, there),
      (error: unknown) => {
        client.resetAndDestroy();
        onRefused(error);
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(notListening(at, error)));
    server.listen({ host: at.address, port: at.port }, resolve);
  });
  // Too many open files, say: the next connection may find fewer.
  server.on('error', onRefused);
  const bound = server.address();
  return {
    address: at.address,
    port: bound !== null && typeof bound === 'object' ? bound.port : at.port,
    close: () => {
      server.close();
      for (const client of clients) client.destroy();
    },
  };
}

/** Makes one connection of two: bytes, the end of each direction, and resets. */
function join(client: Socket, there: Socket): void {
  there.setNoDelay(true);
  there.setKeepAlive(true, KEEP_ALIVE_MS);
  if (client.destroyed) {
    there.resetAndDestroy();
    return;
  }
  passOn(client, there);
  passOn(there, client);
}

function passOn(from: Socket, to: Socket): void {
  from.pipe(to);
  from.on('error', () => undefined);
  // What was cut short must not look like what has ended.
  from.once('close', () => {
    if (from.errored !== null || !from.readableEnded) to.resetAndDestroy();
  });
}

function notListening({ address, port }: ListenAt, error: Error): HostError {
  const place = `${address.includes(':') ? `[${address}]` : address}:${port}`;
  switch (errnoOf(error) ?? '') {
    case 'EADDRINUSE':
      return new HostError(
        'PortInUse',
        `${place} is in use by ${listenerOn(port) ?? "another user's program"}`,
        {
          hint: 'another port, or :PORT for a free one',
        },
      );
    case 'EACCES':
      return new HostError('PortNotAllowed', `only root may listen on ports below 1024, so not on ${place}`, {
        hint: 'a port from 1024 on',
      });
    case 'EADDRNOTAVAIL':
      return new HostError('ListenFailed', `this host has no address ${address}`, {
        hint: '127.0.0.1, or 0.0.0.0 for all of its addresses',
      });
    default:
      return new HostError('ListenFailed', `cannot listen on ${place}`, { cause: error });
  }
}
