import { execa } from 'execa';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  fullInstance,
  metadataService,
  newHomeIdentity,
  type TestMetadata,
  TOKEN,
} from '../../support/metadata-service.ts';

const home = newHomeIdentity();
const BELOW = '/latest/dynamic/instance-identity';

let folder: string;
let service: TestMetadata;
let token: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bonami-identity-'));
  writeFileSync(join(folder, 'certificate'), home.certificate);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  service = await metadataService(home);
  token = await service.token();
});
afterEach(() => service.close());

async function served(name: string): Promise<string> {
  const { status, text } = await service.ask(`${BELOW}/${name}`, { headers: { [TOKEN]: token } });
  expect([name, status]).toEqual([name, 200]);
  return text;
}

async function openssl(
  ...args: readonly string[]
): Promise<{ readonly ok: boolean; readonly stdout: string }> {
  const { exitCode, stdout } = await execa('openssl', args, {
    cwd: folder,
    reject: false,
    stripFinalNewline: false,
  });
  return { ok: exitCode === 0, stdout };
}

function write(name: string, content: string | Buffer): void {
  writeFileSync(join(folder, name), content);
}

describe('the document', () => {
  test('has the fields of EC2 and what was configured', async () => {
    expect(JSON.parse(await served('document'))).toEqual({
      accountId: '123456789012',
      architecture: 'x86_64',
      availabilityZone: 'us-east-1b',
      billingProducts: null,
      devpayProductCodes: null,
      marketplaceProductCodes: null,
      imageId: 'ami-0aaaaaaaaaaaaaaaa',
      instanceId: 'i-0aaaaaaaaaaaaaaaa',
      instanceType: 't3.small',
      kernelId: null,
      pendingTime: '2026-01-02T03:04:05Z',
      privateIp: '172.31.0.10',
      ramdiskId: null,
      region: 'us-east-1',
      version: '2017-09-30',
    });
  });

  test('is on several lines, with a key and its value on one', async () => {
    const lines = (await served('document')).split('\n');
    expect([lines[0], lines.at(-1)]).toEqual(['{', '}']);
    expect(lines.filter((line) => /^ {2}"\w+": \S+$/.test(line)).length).toBe(15);
  });

  test('is the same each time', async () => {
    expect(await served('document')).toBe(await served('document'));
  });

  test('is listed with its signatures, and listing or reading it signs nothing', async () => {
    for (const path of [BELOW, `${BELOW}/`, '/latest/dynamic/', '/latest/meta-data/mac', `${BELOW}/document`])
      expect((await service.ask(path, { headers: { [TOKEN]: token } })).status).toBe(200);
    expect(service.signatures()).toBe(0);
    const listing = await service.ask(BELOW, { headers: { [TOKEN]: token } });
    expect(listing.text).toBe('document\npkcs7\nrsa2048\nsignature');
    await served('signature');
    expect(service.signatures()).toBe(0);
    await served('pkcs7');
    expect(service.signatures()).toBe(1);
  });
});

describe('openssl', () => {
  test('knows the certificate as self-signed, valid now and in ten years, for an RSA key of 2048 bits', async () => {
    expect(await openssl('verify', '-CAfile', 'certificate', 'certificate')).toMatchObject({ ok: true });
    const tenYears = String(10 * 365 * 86_400);
    expect(await openssl('x509', '-in', 'certificate', '-noout', '-checkend', tenYears)).toMatchObject({
      ok: true,
    });
    const { stdout } = await openssl('x509', '-in', 'certificate', '-noout', '-text');
    expect(stdout).toContain('Public-Key: (2048 bit)');
    expect(stdout).toContain('Signature Algorithm: sha256WithRSAEncryption');
  });

  test.each([
    ['accepts', (document: string) => document, true],
    ['refuses for another document', (document: string) => document.replace('t3.small', 't3.large'), false],
  ])('the signature: %s', async (_what, change, ok) => {
    const { stdout } = await openssl('x509', '-in', 'certificate', '-noout', '-pubkey');
    write('public', stdout);
    write('document', change(await served('document')));
    write('signature', Buffer.from(await served('signature'), 'base64'));
    const args = ['-sha256', '-verify', 'public', '-signature', 'signature', 'document'];
    expect((await openssl('dgst', ...args)).ok).toBe(ok);
  });

  describe.each(['rsa2048', 'pkcs7'])('%s', (name) => {
    async function verify(document: string): Promise<{ readonly ok: boolean; readonly stdout: string }> {
      const body = await served(name);
      expect(body).toMatch(/^(?:[A-Za-z0-9+/]{1,76}\n)+[A-Za-z0-9+/]{1,76}={0,2}$/);
      write('signed', `-----BEGIN PKCS7-----\n${body}\n-----END PKCS7-----\n`);
      write('document', document);
      const input = ['-in', 'signed', '-inform', 'PEM', '-content', 'document', '-binary'];
      return openssl('smime', '-verify', ...input, '-certfile', 'certificate', '-noverify', '-nointern');
    }

    test('is accepted for the document', async () => {
      const document = await served('document');
      expect(await verify(document)).toEqual({ ok: true, stdout: document });
    });

    test('is refused for another document', async () => {
      const other = (await served('document')).replace('i-0aaa', 'i-0bbb');
      expect(await verify(other)).toMatchObject({ ok: false });
    });

    test('is refused with another certificate', async () => {
      const document = await served('document');
      write('certificate', newHomeIdentity().certificate);
      const { ok } = await verify(document).finally(() => write('certificate', home.certificate));
      expect(ok).toBe(false);
    });
  });

  test("does not accept one instance's signature for another's document", async () => {
    const mine = await served('signature');
    service.callers.set('127.0.0.1', fullInstance({ instanceId: 'i-0bbbbbbbbbbbbbbbb' }));
    token = await service.token();
    expect(await served('signature')).not.toBe(mine);
    const document = await served('document');
    const { stdout } = await openssl('x509', '-in', 'certificate', '-noout', '-pubkey');
    write('public', stdout);
    write('document', document);
    write('signature', Buffer.from(mine, 'base64'));
    const args = ['-sha256', '-verify', 'public', '-signature', 'signature', 'document'];
    expect((await openssl('dgst', ...args)).ok).toBe(false);
  });
});
