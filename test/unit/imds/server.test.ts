import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Asking,
  fullInstance,
  metadataService,
  newHomeIdentity,
  type Reply,
  type TestMetadata,
  TOKEN,
} from '../../support/metadata-service.ts';

const home = newHomeIdentity();
const LEAF = '/latest/meta-data/instance-id';
const VERSIONS =
  '1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01 2009-04-04 2011-01-01 ' +
  '2011-05-01 2012-01-12 2014-02-25 2014-11-05 2015-10-20 2016-04-19 2016-06-30 2016-09-02 2018-03-28 2018-08-17 ' +
  '2018-09-24 2019-10-01 2020-10-27 2021-01-03 2021-03-23 latest';

let service: TestMetadata;
let token: string;
beforeEach(async () => {
  service = await metadataService(home);
  token = await service.token();
});
afterEach(() => service.close());

async function ask(path: string, asking: Asking = {}): Promise<Reply> {
  return service.ask(path, { ...asking, headers: { [TOKEN]: token, ...asking.headers } });
}

/** What comes back for these bytes until the other side closes. */
async function sendRaw(text: string, from = '127.0.0.1'): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port: service.port, host: '127.0.0.1', localAddress: from });
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString()));
    // A reset is one way of closing.
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(received));
    socket.write(text);
  });
}

describe('versions', () => {
  test('are listed at the root as EC2 lists them', async () => {
    for (const path of ['/', '//', '/?x'])
      expect((await ask(path)).text).toBe(VERSIONS.replaceAll(' ', '\n'));
  });

  test('have each the same tree', async () => {
    for (const version of VERSIONS.split(' ')) {
      expect((await ask(`/${version}/meta-data/instance-id`)).text).toBe('i-0aaaaaaaaaaaaaaaa');
      expect((await ask(`/${version}/`)).text).toBe('dynamic\nmeta-data\nuser-data');
    }
  });
});

describe('user data', () => {
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  test.each([
    ['a script', Buffer.from('#!/bin/sh\r\necho "ü"\n')],
    ['every byte', everyByte],
    ['a gzip header', Buffer.from('1f8b08000000000000ff', 'hex')],
    ['no byte at all', Buffer.alloc(0)],
    ['as much as EC2 takes', randomBytes(16_384)],
  ])('of %s comes back exactly', async (_kind, userData) => {
    service.callers.set('127.0.0.1', fullInstance({ userData }));
    for (const path of ['/latest/user-data', '/2009-04-04/user-data/']) {
      const reply = await ask(path);
      expect(reply.status).toBe(200);
      expect(reply.body.equals(userData)).toBe(true);
      expect(reply.headers['content-type']).toBe('application/octet-stream');
      expect(reply.headers['content-length']).toBe(String(userData.length));
    }
  });

  test('that was not given is not found', async () => {
    service.callers.set('127.0.0.1', fullInstance({ userData: undefined }));
    expect((await ask('/latest/user-data')).status).toBe(404);
  });
});

describe('an answer', () => {
  test('for what is not there is the page of EC2', async () => {
    const reply = await ask('/latest/meta-data/nothing');
    expect(reply.status).toBe(404);
    expect(reply.headers['content-type']).toBe('text/html');
    expect(reply.text).toMatch(
      /^<\?xml version="1.0" encoding="iso-8859-1"\?>\n[^]*<h1>404 - Not Found<\/h1>/,
    );
  });

  test.each([LEAF, '/latest/user-data', '/latest/meta-data/', '/latest/nothing'])(
    'to HEAD %s has the headers of GET and no body',
    async (path) => {
      const [head, get] = [await ask(path, { method: 'HEAD' }), await ask(path)];
      const { date: _then, ...expected } = get.headers;
      expect(head.status).toBe(get.status);
      expect(head.headers).toMatchObject(expected);
      expect([head.body.length, get.body.length > 0]).toEqual([0, true]);
    },
  );

  test('is reported with its path and how it ended, never with a query or a token', async () => {
    service.seen.length = 0;
    await ask(`${LEAF}?secret=1`);
    await ask('/latest//nothing');
    await service.ask('/');
    expect(service.seen).toEqual([
      ['i-0aaaaaaaaaaaaaaaa', LEAF, 200],
      ['i-0aaaaaaaaaaaaaaaa', '/latest/nothing', 404],
      ['i-0aaaaaaaaaaaaaaaa', '/', 401],
    ]);
  });
});

describe('a stranger', () => {
  const STRANGER = '127.0.0.9';
  test.each([
    ['a request', `GET ${LEAF} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`],
    ['a wish for a token', 'PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['what is no HTTP', 'EHLO x\r\n\r\n'],
    [
      'an expectation',
      `GET ${LEAF} HTTP/1.1\r\nConnection: close\r\nHost: x\r\nExpect: 100-continue\r\n\r\n`,
    ],
    ['too many bytes', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ])('with %s is closed without a word', async (_what, text) => {
    expect(await sendRaw(text)).toMatch(/^HTTP\/1\.1 \d/);
    service.seen.length = 0;
    expect(await sendRaw(text, STRANGER)).toBe('');
    expect(service.seen).toEqual([]);
  });

  test('is somebody at once when the address gets an instance, and nobody when it goes', async () => {
    service.callers.set(STRANGER, fullInstance({ instanceId: 'i-0cccccccccccccccc' }));
    const theirs = { from: STRANGER, headers: { [TOKEN]: await service.token({ from: STRANGER }) } };
    expect((await service.ask(LEAF, theirs)).text).toBe('i-0cccccccccccccccc');
    service.callers.delete(STRANGER);
    await expect(service.ask(LEAF, theirs)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  test('gets no answer on a connection that was opened by somebody known', async () => {
    const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${TOKEN}: ${token}\r\n\r\n`;
    const received = await new Promise<string>((resolve) => {
      const socket = connect(service.port, '127.0.0.1');
      let text = '';
      socket.on('error', () => undefined);
      socket.once('close', () => resolve(text));
      socket.on('data', (chunk) => {
        text += chunk.toString();
        service.callers.clear();
        socket.write(get('/latest/meta-data/mac'));
      });
      socket.write(get(LEAF));
    });
    expect(received.match(/HTTP\/1\.1 200/g)).toHaveLength(1);
    expect(received).not.toContain('02:00:ac:1f:00:0a');
  });
});

describe('abuse', () => {
  test.each([
    ['a path', `/latest/${'x'.repeat(9000)}`, {}],
    ['a header', LEAF, { 'X-Large': 'x'.repeat(9000) }],
    ['the sum of many headers', LEAF, { 'X-Many': Array.from({ length: 300 }, () => 'x'.repeat(30)) }],
  ])('by the size of %s is refused, and the service lives on', async (_what, path, headers) => {
    expect((await ask(path, { headers })).status).toBe(431);
    expect((await ask(LEAF)).status).toBe(200);
  });

  test('by depth ends in a plain answer', async () => {
    expect((await ask(`/latest${'/x'.repeat(3900)}`)).status).toBe(404);
    expect((await ask(`/latest/meta-data/instance-id${'/'.repeat(7000)}`)).text).toBe('i-0aaaaaaaaaaaaaaaa');
  });

  test('by a body that nobody asked for changes nothing', async () => {
    const body = 'x'.repeat(100_000);
    const head = `GET ${LEAF} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${TOKEN}: ${token}\r\n`;
    const received = await sendRaw(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\ni-0aaaaaaaaaaaaaaaa$/);
  });

  test('by what is no HTTP gets a bad request', async () => {
    expect(await sendRaw('GET\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('by sending a request slowly is ended by the server', { timeout: 20_000 }, async () => {
    const start = Date.now();
    expect(await sendRaw(`GET ${LEAF} HTTP/1.1\r\nHost:`)).toMatch(/^HTTP\/1\.1 408 /);
    expect(Date.now() - start).toBeLessThan(10_000);
  });
});
