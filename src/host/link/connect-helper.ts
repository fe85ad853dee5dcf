// Runs inside a network namespace: connects there for whoever started it and hands each connection over. Ends with
// the channel to them. Imports nothing but node:net, for it stands between a person and a connection.
import { connect, type Socket } from 'node:net';
import type { ConnectAnswer, ConnectRequest } from './connector.ts';

const pending = new Set<Socket>();

process.on('message', ({ id, address, port, timeoutMs }: ConnectRequest) => {
  const socket = connect({ host: address, port });
  // Nothing is read here: what the other side says first is for whoever gets the connection.
  socket.pause();
  pending.add(socket);
  socket.setTimeout(timeoutMs, () => socket.destroy(Object.assign(new Error(), { code: 'ETIMEDOUT' })));
  socket.once('close', () => pending.delete(socket));
  socket.once('error', (error: NodeJS.ErrnoException) => answer({ id, code: error.code ?? 'EIO' }));
  socket.once('connect', () => {
    pending.delete(socket);
    answer({ id }, socket);
  });
});
process.on('disconnect', () => {
  for (const socket of pending) socket.destroy();
});
// Ctrl-C reaches every process of a terminal; when to end is for the one that a person has started to say.
process.on('SIGINT', () => undefined);

function answer(message: ConnectAnswer, socket?: Socket): void {
  // Whoever asked may have gone.
  process.send?.(message, socket, {}, () => undefined);
}
