import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { copyVariables } from '../../../../src/host/qemu/firmware.ts';

const MIB = 2 ** 20;

describe("a machine's firmware variables", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bonami-firmware-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('are the template, byte for byte, for nobody else, without its zeros on the disk', () => {
    const template = join(folder, 'VARS.fd');
    const copy = join(folder, 'firmware-vars.fd');
    const content = Buffer.alloc(16 * MIB + 5);
    content.write('in the middle', 3 * MIB - 4);
    content.write('end', content.length - 3);
    writeFileSync(template, content);
    copyVariables(template, copy);
    expect(readFileSync(copy).equals(content)).toBe(true);
    const { mode, blocks } = statSync(copy);
    expect(mode & 0o777).toBe(0o600);
    expect(blocks * 512).toBeLessThan(2 * MIB);
    expect(readdirSync(folder)).toEqual(['VARS.fd', 'firmware-vars.fd']);
  });

  test('may be all zeros', () => {
    const template = join(folder, 'VARS.fd');
    const copy = join(folder, 'firmware-vars.fd');
    writeFileSync(template, Buffer.alloc(MIB));
    copyVariables(template, copy);
    expect(readFileSync(copy).equals(Buffer.alloc(MIB))).toBe(true);
  });
});
