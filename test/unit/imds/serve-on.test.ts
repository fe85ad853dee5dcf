import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { signedIdentity } from '../../../src/imds/identity-document.ts';
import { serveOn } from '../../../src/imds/server.ts';
import { fullInstance } from '../../support/metadata-service.ts';

const INSTANCE = fullInstance({ options: { ...fullInstance().options, httpTokens: 'optional' } });
const GET = 'GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: x\r\n';

let socket: Server;
let close: () => void;
beforeEach(async () => {
  socket = createServer();
  socket.listen(0, '127.0.0.1');
  await once(socket, 'listening');
  close = serveOn(socket, {
    instanceAt: (address) => (address === '127.0.0.1' ? INSTANCE : undefined),
    identityOf: (of) => signedIdentity(of, { privateKey: '', certificate: '' }, () => ''),
    tokenKey: { key: Buffer.alloc(32), uptime: () => 1 },
  });
});
afterEach(() => close());

function open(localAddress = '127.0.0.1'): Socket {
  const { port } = socket.address() as AddressInfo;
  // A reset is one way of closing.
  return connect({ port, host: '127.0.0.1', localAddress }).on('error', () => undefined);
}

/** What comes until the other side closes. */
async function untilClosed(connection: Socket): Promise<string> {
  let received = '';
  connection.on('data', (chunk) => (received += chunk.toString()));
  await once(connection, 'close');
  return received;
}

describe('on a socket that was opened elsewhere', () => {
  test('requests are answered, and strangers are not', async () => {
    const known = open();
    known.write(`${GET}Connection: close\r\n\r\n`);
    expect(await untilClosed(known)).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\ni-0aaaaaaaaaaaaaaaa$/);
    const stranger = open('127.0.0.9');
    stranger.write(`${GET}Connection: close\r\n\r\n`);
    expect(await untilClosed(stranger)).toBe('');
  });

  test('a request that comes slowly is ended by the server', { timeout: 20_000 }, async () => {
    const slow = open();
    slow.write(GET);
    expect(await untilClosed(slow)).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('the number of connections is limited', () => {
    expect(socket.maxConnections).toBe(1024);
  });

  test('closing ends the connections that are open, the busy and the idle, and takes no more', async () => {
    const [busy, idle] = [open(), open()];
    busy.write(GET);
    idle.write(`${GET}\r\n`);
    await once(idle, 'data');
    const { port } = socket.address() as AddressInfo;
    const ended = Promise.all([once(busy, 'close'), once(idle, 'close'), once(socket, 'close')]);
    close();
    await ended;
    const late = connect(port, '127.0.0.1');
    const [refusal] = (await once(late, 'error')) as [NodeJS.ErrnoException];
    expect(refusal.code).toBe('ECONNREFUSED');
  });
});
