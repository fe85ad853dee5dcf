import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { InstanceMetadata } from '../../../src/imds/instance-metadata.ts';
import {
  fullInstance,
  metadataService,
  type TestMetadata,
  TOKEN,
  TTL,
} from '../../support/metadata-service.ts';

const PUT = '/latest/api/token';
const LEAF = '/latest/meta-data/instance-id';
const REMAINING = 'x-aws-ec2-metadata-token-ttl-seconds';
/** Another instance's address: the loopback net has room for both. */
const OTHER = '127.0.0.2';

let service: TestMetadata;
beforeEach(async () => {
  service = await metadataService();
  service.callers.set(OTHER, fullInstance({ instanceId: 'i-0bbbbbbbbbbbbbbbb' }));
});
afterEach(() => service.close());

function withOptions(options: Partial<InstanceMetadata['options']>): void {
  service.callers.set('127.0.0.1', fullInstance({ options: { ...fullInstance().options, ...options } }));
}

async function tokenFor(seconds: number): Promise<string> {
  return (await service.ask(PUT, { method: 'PUT', headers: { [TTL]: String(seconds) } })).text;
}

describe('asking for a token', () => {
  test.each(['1', '60', '21600'])('for %s seconds gives one', async (seconds) => {
    const reply = await service.ask(PUT, { method: 'PUT', headers: { [TTL]: seconds } });
    expect(reply.status).toBe(200);
    expect(reply.headers[REMAINING]).toBe(seconds);
    expect(reply.headers['content-type']).toBe('text/plain');
    expect(reply.text).toMatch(/^[\w-]+\.[\w-]{43}==$/);
    const used = await service.ask(LEAF, { headers: { [TOKEN]: reply.text } });
    expect([used.status, used.text]).toEqual([200, 'i-0aaaaaaaaaaaaaaaa']);
    expect(used.headers[REMAINING]).toBe(seconds);
  });

  test.each([
    ['0'],
    ['21601'],
    ['-1'],
    ['+5'],
    ['5.5'],
    ['1e3'],
    ['0x10'],
    ['60s'],
    [''],
    ['60, 60'],
    ['9'.repeat(400)],
  ])("for '%s' seconds is a bad request", async (seconds) => {
    const reply = await service.ask(PUT, { method: 'PUT', headers: { [TTL]: seconds } });
    expect([reply.status, reply.text]).toEqual([400, '']);
  });

  test('without a time, or with two, is a bad request', async () => {
    expect((await service.ask(PUT, { method: 'PUT' })).status).toBe(400);
    expect((await service.ask(PUT, { method: 'PUT', headers: { [TTL]: ['60', '60'] } })).status).toBe(400);
  });

  test('through a proxy is forbidden, whatever the rest says', async () => {
    const through = { 'X-Forwarded-For': '10.0.0.1' };
    for (const headers of [{ ...through, [TTL]: '60' }, through, { 'x-forwarded-for': '', [TTL]: '60' }]) {
      const reply = await service.ask(PUT, { method: 'PUT', headers });
      expect([reply.status, reply.text]).toEqual([403, '']);
    }
  });

  test('below a dated version is forbidden, and anything else cannot be put', async () => {
    const put = async (path: string): Promise<number> =>
      (await service.ask(path, { method: 'PUT', headers: { [TTL]: '60' } })).status;
    expect(await put('/2021-03-23/api/token')).toBe(403);
    expect(await put('/latest/meta-data/instance-id')).toBe(405);
    expect(await put('/')).toBe(405);
  });

  test.each(['POST', 'DELETE', 'PATCH', 'OPTIONS'])('by %s is not allowed', async (method) => {
    const token = await service.token();
    for (const path of [PUT, LEAF])
      expect((await service.ask(path, { method, headers: { [TTL]: '60', [TOKEN]: token } })).status).toBe(
        405,
      );
  });

  test('by GET gives none', async () => {
    withOptions({ httpTokens: 'optional' });
    const reply = await service.ask(PUT, { headers: { [TTL]: '60' } });
    expect(reply.status).toBe(404);
    expect(reply.headers[REMAINING]).toBeUndefined();
  });
});

describe('a token', () => {
  test.each([1, 21_600])('for %i seconds is good for exactly that long', async (seconds) => {
    const from = service.clock.uptime;
    const headers = { [TOKEN]: await tokenFor(seconds) };
    service.clock.uptime = from + seconds - 0.01;
    const last = await service.ask(LEAF, { headers });
    expect([last.status, last.headers[REMAINING]]).toEqual([200, '1']);
    service.clock.uptime = from + seconds + 0.01;
    const late = await service.ask(LEAF, { headers });
    expect([late.status, late.text, late.headers[REMAINING]]).toEqual([401, '', undefined]);
  });

  test('says with each answer how long it is still good for', async () => {
    const headers = { [TOKEN]: await tokenFor(60) };
    service.clock.uptime += 20;
    expect((await service.ask(LEAF, { headers })).headers[REMAINING]).toBe('40');
    expect((await service.ask('/latest/nothing', { headers })).headers[REMAINING]).toBe('40');
  });

  test("is nobody else's", async () => {
    const mine = await service.token();
    const theirs = await service.token({ from: OTHER });
    const ask = async (from: string, token: string): Promise<readonly [number, string]> => {
      const { status, text } = await service.ask(LEAF, { from, headers: { [TOKEN]: token } });
      return [status, text];
    };
    expect(await ask(OTHER, theirs)).toEqual([200, 'i-0bbbbbbbbbbbbbbbb']);
    expect(await ask('127.0.0.1', mine)).toEqual([200, 'i-0aaaaaaaaaaaaaaaa']);
    expect(await ask('127.0.0.1', theirs)).toEqual([401, '']);
    expect(await ask(OTHER, mine)).toEqual([401, '']);
  });

  test('of another boot is worth nothing', async () => {
    const earlier = await metadataService();
    const token = await earlier.token();
    await earlier.close();
    expect((await service.ask(LEAF, { headers: { [TOKEN]: token } })).status).toBe(401);
  });

  test.each(['required', 'optional'] as const)(
    'that was tampered with is refused when tokens are %s',
    async (httpTokens) => {
      withOptions({ httpTokens });
      const token = await tokenFor(60);
      const [, signature = ''] = token.split('.');
      const longer = Buffer.from('zzzzzzzz').toString('base64url');
      const forged = [
        '',
        '.',
        '==',
        'x',
        `${token}x`,
        token.slice(1),
        `${longer}.${signature}`,
        `.${signature}`,
      ];
      for (const each of [...forged, 'é'.repeat(43), 'x'.repeat(5000)])
        expect(
          (await service.ask(LEAF, { headers: { [TOKEN]: Buffer.from(each).toString('latin1') } })).status,
        ).toBe(401);
      expect((await service.ask(LEAF, { headers: { [TOKEN]: [token, token] } })).status).toBe(401);
      expect((await service.ask(LEAF, { headers: { [TOKEN]: token } })).status).toBe(200);
    },
  );
});

describe('a request without a token', () => {
  test.each(['GET', 'HEAD'])('by %s is unauthorized when tokens are required', async (method) => {
    for (const path of ['/', '/latest/', LEAF, '/latest/user-data', '/latest/nothing']) {
      const reply = await service.ask(path, { method });
      expect([reply.status, reply.text]).toEqual([401, '']);
    }
  });

  test('is answered when tokens are optional, and no time is told', async () => {
    withOptions({ httpTokens: 'optional' });
    const reply = await service.ask(LEAF);
    expect([reply.status, reply.text]).toEqual([200, 'i-0aaaaaaaaaaaaaaaa']);
    expect(reply.headers[REMAINING]).toBeUndefined();
  });

  test('is answered or not as the options are at that moment', async () => {
    expect((await service.ask(LEAF)).status).toBe(401);
    withOptions({ httpTokens: 'optional' });
    expect((await service.ask(LEAF)).status).toBe(200);
    withOptions({ httpTokens: 'required' });
    expect((await service.ask(LEAF)).status).toBe(401);
  });
});

test('a service that is switched off forbids everything, with a good token too', async () => {
  const token = await service.token();
  withOptions({ httpEndpoint: 'disabled' });
  const statuses = [
    await service.ask(LEAF, { headers: { [TOKEN]: token } }),
    await service.ask(LEAF),
    await service.ask(PUT, { method: 'PUT', headers: { [TTL]: '60' } }),
    await service.ask(LEAF, { method: 'POST' }),
  ].map(({ status, text }) => [status, text]);
  expect(statuses).toEqual(Array.from({ length: 4 }, () => [403, '']));
});
