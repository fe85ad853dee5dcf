import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { Transform } from 'node:stream';

/** When a connection is lost, counted in bytes it carried; never when neither is given. */
export interface Drop {
  /** Bytes from the server to the client. */
  readonly down?: number;
  /** Bytes from the client to the server. */
  readonly up?: number;
  /** A reset, an orderly end, or a connection that stays and carries nothing any more; a reset when not given. */
  readonly how?: 'reset' | 'end' | 'silence';
}

export interface DroppingProxy {
  readonly port: number;
  /** Connections so far. */
  readonly connections: number;
  /** Connections that clients have open now. */
  readonly open: number;
  close(): Promise<void>;
}

/** A TCP proxy on the loopback that loses connections; `drop` says when, by the connection's number from 0. */
export async function droppingProxy(
  targetPort: number,
  drop: (connection: number) => Drop | undefined,
): Promise<DroppingProxy> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.once('close', () => clients.delete(client));
    const limits = drop(connections++) ?? {};
    const target = connect(targetPort, '127.0.0.1');
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      // The other side notices by itself.
      socket.on('error', () => undefined);
    }
    const lose = (): void => {
      if (limits.how === 'silence') return;
      if (limits.how === 'end') client.end();
      else client.resetAndDestroy();
      target.destroy();
    };
    client.pipe(limited(limits.up, lose)).pipe(target);
    target.pipe(limited(limits.down, lose)).pipe(client);
    client.once('close', () => target.destroy());
    target.once('close', () => limits.how === 'silence' || client.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get open() {
      return clients.size;
    },
    get connections() {
      return connections;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Lets `limit` bytes through, then calls `lose` once they are on their way and swallows the rest. */
function limited(limit: number | undefined, lose: () => void): Transform {
  let left = limit ?? Infinity;
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      if (left === 0) {
        callback();
        return;
      }
      const piece = chunk.subarray(0, Math.min(left, chunk.length));
      left -= piece.length;
      this.push(piece);
      // A reset discards what is still on its way out of this process.
      if (left === 0) setTimeout(lose, 10);
      callback();
    },
  });
}
