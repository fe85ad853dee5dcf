// Runs inside a network namespace for a moment: opens a listening socket there and hands it to whoever started it.
// Imports nothing but node:net, for it stands between a launch and its metadata service.
import { createServer } from 'node:net';

const [, , address = '', port = ''] = process.argv;
const server = createServer();
server.listen({ host: address, port: Number(port), backlog: 128 }, () => {
  process.send?.('listening', server, {}, () => {
    server.close();
    process.disconnect();
  });
});
