import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { openS3 } from '../../../../src/host/s3/client.ts';
import { parseEndpoint, plainHttpAgent } from '../../../../src/host/s3/endpoint.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const signal = new AbortController().signal;

afterEach(() => vi.unstubAllEnvs());

test.each([
  'https://store.example:9000',
  'https://93.184.216.34',
  'http://127.0.0.1:4568',
  'http://[::1]:4568',
  'http://10.1.2.3',
  'http://192.168.1.5:9000/prefix',
  'http://[fd00::1]:9000',
  // Names are looked up when they are connected to.
  'http://minio.lan:9000',
])('%s is an endpoint', (text) => {
  expect(parseEndpoint(text).href).toContain(text);
});

test.each(['http://93.184.216.34', 'http://[2606:4700::1]:9000'])('%s would be read on the way', (text) => {
  expect(() => parseEndpoint(text)).toThrow(expect.objectContaining({ code: 'AddressNotAllowed' }));
  expect(parseEndpoint(text, { allowPlainHttp: true }).href).toContain(text);
});

test.each([
  'store.example',
  'ftp://store.example',
  'https://store.example/?x=1',
  'https://store.example/#x',
  '',
])('%j is no endpoint', (text) => {
  expect(() => parseEndpoint(text)).toThrow(expect.objectContaining({ code: 'InvalidEndpoint' }));
});

test.each(['https://key:secret@store.example', 'key:secret@store.example'])(
  'a password in an endpoint is refused and not repeated',
  (text) => {
    expect(() => parseEndpoint(text)).toThrow("'store.example' is not the URL of an S3 store");
  },
);

test('a name is looked at when it is connected to', async () => {
  const ask = async (address: string): Promise<string> => {
    const resolve = (_name: string, _options: object, callback: (...answer: unknown[]) => void): void =>
      callback(null, [{ address, family: 4 }]);
    const agent = plainHttpAgent({}, resolve as never);
    return new Promise((done) => {
      const request = get('http://store.example:1', { agent });
      request.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? ''));
    });
  };
  expect(await ask('93.184.216.34')).toBe('AddressNotAllowed');
  expect(await ask('127.0.0.1')).toBe('ECONNREFUSED');
});

test('the endpoint and the region come from the option, the environment, or the configuration', async () => {
  using folder = temporaryFolder();
  const config = join(folder.path, 'config');
  writeFileSync(config, '[default]\nregion = eu-west-3\nendpoint_url = http://10.0.0.9:9000\n');
  vi.stubEnv('AWS_CONFIG_FILE', config);
  vi.stubEnv('AWS_REGION', undefined);
  const opened = async (options = {}): Promise<readonly unknown[]> => {
    const s3 = await openS3({ signal, ...options });
    s3.close();
    return [s3.name, await s3.client.config.region(), s3.client.config.forcePathStyle];
  };
  expect(await opened()).toEqual(['http://10.0.0.9:9000', 'eu-west-3', true]);
  vi.stubEnv('AWS_ENDPOINT_URL', 'https://any.example');
  vi.stubEnv('AWS_DEFAULT_REGION', 'eu-west-2');
  expect(await opened()).toEqual(['https://any.example', 'eu-west-2', true]);
  vi.stubEnv('AWS_ENDPOINT_URL_S3', 'https://s3.example');
  vi.stubEnv('AWS_REGION', 'eu-west-1');
  expect(await opened()).toEqual(['https://s3.example', 'eu-west-1', true]);
  const options = { endpoint: 'https://own.example', region: 'garage' };
  expect(await opened(options)).toEqual(['https://own.example', 'garage', true]);
});

test("without any of these it is Amazon's own, with buckets in host names", async () => {
  for (const name of ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_REGION', 'AWS_DEFAULT_REGION'])
    vi.stubEnv(name, undefined);
  vi.stubEnv('AWS_CONFIG_FILE', '/dev/null');
  const s3 = await openS3({ signal });
  s3.close();
  expect(s3).toMatchObject({ name: 'Amazon S3', endpoint: undefined });
  expect(s3.client.config.forcePathStyle).toBe(false);
  expect(await s3.client.config.region()).toBe('us-east-1');
});

test('a configured endpoint is judged like a given one', async () => {
  vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://93.184.216.34');
  await expect(openS3({ signal })).rejects.toMatchObject({ code: 'AddressNotAllowed' });
  const given = { signal, endpoint: 'https://store.example' };
  await expect(openS3({ ...given, region: 'a b' })).rejects.toMatchObject({ code: 'InvalidRegion' });
});

test("the library's warning leaves no trace in the environment", async () => {
  vi.stubEnv('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', undefined);
  (await openS3({ signal, endpoint: 'https://store.example' })).close();
  expect(process.env).not.toHaveProperty('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED');
});
