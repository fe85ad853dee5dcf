// The same small guest on every architecture and firmware that bonami knows, through a whole life.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { importImage, openCloud, type Cloud } from '../support/cloud.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';

let before: Snapshot;
let cloud: Cloud;

beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny', 'tiny-i386', 'tiny-arm64', 'tiny-armhf', 'debian-12-i386');
  await importImage(cloud, 'tiny', { name: 'tiny-uefi', bootMode: 'uefi' });
});

afterAll(async () => {
  await cloud.close();
  await expectNoLeaks(before);
});

describe.each([
  ['tiny', 't3.nano', 'x86_64', 'bios'],
  ['tiny-uefi', 't3.nano', 'x86_64', 'uefi'],
  ['tiny-i386', 't3.nano', 'i686', 'bios'],
  ['tiny-arm64', 't4g.nano', 'aarch64', 'uefi'],
  ['tiny-armhf', 't4g.nano', 'armv7l', 'uefi'],
])('%s on %s', (image, type, machine, firmware) => {
  const inGuest = async (command: string): Promise<string> =>
    (await cloud.bonami('ssh', image, '--', command)).trim();

  test('boots, and finds its processor, its firmware, its maker and its disk', async () => {
    const [instance] = await cloud.run(image, '-n', image, '-t', type, '--wait', 'ssh');
    expect(instance?.CurrentInstanceBootMode).toBe(firmware === 'uefi' ? 'uefi' : 'legacy-bios');
    expect(await inGuest('uname -m')).toBe(machine);
    expect(await inGuest('[ -d /sys/firmware/efi ] && echo uefi || echo bios')).toBe(firmware);
    expect(await inGuest('cat /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/board_asset_tag')).toBe(
      `Amazon EC2\n${instance?.InstanceId}`,
    );
    const volume = instance?.BlockDeviceMappings?.[0]?.Ebs?.VolumeId?.replace('-', '');
    expect(await cloud.bonami('logs', image)).toContain(
      `tiny: disk /dev/vda ${2 ** 30} bytes serial ${volume}`,
    );
  });

  test('is stopped by its power button, and starts again with the same disk', async () => {
    await cloud.bonami('stop', image);
    expect(await cloud.bonami('logs', image)).toContain('tiny: power button');
    await cloud.bonami('start', image);
    await cloud.bonami('wait', image, '--for', 'ssh');
    expect(await inGuest('cat /disk/boots')).toBe('2');
    await cloud.bonami('terminate', image);
  });
});

test('a whole Debian for i386 comes up with its own cloud-init', { timeout: 600_000 }, async () => {
  await cloud.run('debian-12-i386', '-n', 'web', '--wait', 'cloud-init');
  expect(await cloud.bonami('ssh', 'web', '--', 'uname', '-m')).toBe('i686\n');
  expect(await cloud.bonami('ssh', 'web', '--', 'cloud-init', 'status')).toContain('done');
});
