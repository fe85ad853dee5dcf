import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findVhost } from '../../../../src/host/qemu/vhost.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const MACHINE_UID = 1_900_000_007;

describe('the kernel’s carrier of packets', () => {
  test('is not there', () => {
    expect(findVhost(MACHINE_UID, '/nonexistent')).toBeUndefined();
    expect(findVhost(undefined, '/nonexistent')).toBeUndefined();
  });

  test.runIf(process.getuid?.() === 0).each([
    ['everybody may open', 0o666, 0, { groups: [] }],
    ['its group may open', 0o660, 104, { groups: [104] }],
    ['root alone may open', 0o600, 104, undefined],
    ['root’s group may open', 0o660, 0, undefined],
    ['its group may only read', 0o640, 104, undefined],
  ])('one that %s', (_what, mode, gid, expected) => {
    using folder = temporaryFolder();
    const device = join(folder.path, 'vhost-net');
    writeFileSync(device, '');
    chownSync(device, 0, gid);
    chmodSync(device, mode);
    expect(findVhost(MACHINE_UID, device)).toEqual(expected);
  });
});
