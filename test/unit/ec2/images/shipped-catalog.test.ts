import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { catalogEntry, readCatalog } from '../../../../src/ec2/images/catalog.ts';
import { fillIn } from '../../../../src/ec2/images/catalog-entry.ts';
import { DEFAULT_IMAGE } from '../../../../src/ec2/images/resolve-image.ts';
import { newestFile } from '../../../../src/ec2/images/sources/newest-file.ts';

const SHIPPED = fileURLToPath(new URL('../../../../images', import.meta.url));

describe('the shipped catalog', () => {
  test('has an entry in every folder that has an image.yaml, and the default image', async () => {
    const names = (await readCatalog(SHIPPED)).map(({ name }) => name);
    const folders = readdirSync(SHIPPED).filter((name) => existsSync(join(SHIPPED, name, 'image.yaml')));
    expect(names).toEqual(expect.arrayContaining(folders));
    expect(names).toContain(DEFAULT_IMAGE);
  });

  test.each([
    ...['debian-11', 'debian-13', 'ubuntu-22.04', 'ubuntu-24.04', 'ubuntu-26.04', 'amazon-linux-2023'],
    ...['fedora-42', 'fedora-43', 'fedora-44', 'rocky-8', 'rocky-9', 'rocky-10'],
    ...['almalinux-8', 'almalinux-9', 'almalinux-10', 'centos-stream-9', 'centos-stream-10'],
    ...['opensuse-leap-15.6', 'opensuse-leap-16.0', 'opensuse-tumbleweed'],
    ...['alpine-3.21', 'alpine-3.22', 'alpine-3.23', 'flatcar-stable'],
  ])('has %s for x86_64 and arm64', async (name) => {
    const entries = await readCatalog(SHIPPED);
    const found = entries.filter((entry) => entry.name === name || entry.name === `${name}-arm64`);
    expect(found.map(({ architecture }) => architecture)).toEqual(['x86_64', 'arm64']);
  });

  test('lists a newer release after an older one', async () => {
    const names = (await readCatalog(SHIPPED)).map(({ name }) => name);
    expect(names.filter((name) => /^rocky-\d+$/.test(name))).toEqual(['rocky-8', 'rocky-9', 'rocky-10']);
  });

  test('says for each image how to get it, by programs that can be run', async () => {
    const entries = await readCatalog(SHIPPED);
    expect(entries.filter(({ recipe, download }) => recipe === undefined && download === undefined)).toEqual(
      [],
    );
    for (const { recipe } of entries) if (recipe !== undefined) accessSync(recipe, constants.X_OK);
  });

  test('knows facts that fit together', async () => {
    for (const entry of await readCatalog(SHIPPED)) {
      const { name, architecture, bootMode, cpuBaseline, download, recipe, home, source } = entry;
      const isArm = architecture === 'arm64' || architecture === 'armhf';
      expect([name, isArm && bootMode !== 'uefi']).toEqual([name, false]);
      expect([name, cpuBaseline !== undefined && architecture !== 'x86_64']).toEqual([name, false]);
      expect([name, name.endsWith(`-${architecture}`)]).toEqual([name, architecture !== 'x86_64']);
      // Whoever has no recipe to fall back on needs to know where to look.
      const mustSay = download !== undefined && recipe === undefined;
      expect([name, mustSay && (home === undefined || source === undefined)]).toEqual([name, false]);
      expect(JSON.stringify([entry.description, home, source])).not.toContain('${');
    }
  });

  test('fetches over https only, and has filled in all that can be known before', async () => {
    const entries = (await readCatalog(SHIPPED)).flatMap(({ download = [] }) => download);
    expect(entries.length).toBeGreaterThan(50);
    for (const { url, index = 'https://', checksumUrl, pattern } of entries) {
      for (const place of [url, index, checksumUrl]) expect(place).toMatch(/^https:\/\//);
      const known = { ...(pattern === undefined ? {} : { file: 'x', build: 'x' }), file: 'x' };
      expect(fillIn(`${url} ${index} ${checksumUrl}`, known)).not.toContain('${');
      expect(pattern ?? '').not.toContain('${');
    }
  });

  const CDN = 'https://cdn.amazonlinux.com/al2023/os-images/latest/kvm';
  const DL_FEDORA = 'https://dl.fedoraproject.org/pub/fedora/linux/releases/44/Cloud/aarch64/images';
  const SUSE = 'https://download.opensuse.org';
  test.each<[string, { file?: string; url: string; checksumUrl: string; form?: string }]>([
    [
      'debian-13-arm64',
      {
        url: 'https://cloud.debian.org/images/cloud/trixie/latest/debian-13-genericcloud-arm64.qcow2',
        checksumUrl: 'https://cloud.debian.org/images/cloud/trixie/latest/SHA512SUMS',
      },
    ],
    [
      'ubuntu-24.04-armhf',
      {
        url: 'https://cloud-images.ubuntu.com/releases/noble/release/ubuntu-24.04-server-cloudimg-armhf.img',
        checksumUrl: 'https://cloud-images.ubuntu.com/releases/noble/release/SHA256SUMS',
      },
    ],
    [
      'ubuntu-18.04-i386',
      {
        url: 'https://cloud-images.ubuntu.com/releases/bionic/release-20191114/ubuntu-18.04-server-cloudimg-i386.img',
        checksumUrl: 'https://cloud-images.ubuntu.com/releases/bionic/release-20191114/SHA256SUMS',
      },
    ],
    [
      'amazon-linux-2023',
      {
        file: 'al2023-kvm-2023.9.20251110.1-kernel-6.1-x86_64.xfs.gpt.qcow2',
        url: `${CDN}/al2023-kvm-2023.9.20251110.1-kernel-6.1-x86_64.xfs.gpt.qcow2`,
        checksumUrl: `${CDN}/SHA256SUMS`,
      },
    ],
    [
      'fedora-44-arm64',
      {
        file: 'Fedora-Cloud-Base-Generic-44-1.7.aarch64.qcow2',
        url: `${DL_FEDORA.replace('dl.', 'download.')}/Fedora-Cloud-Base-Generic-44-1.7.aarch64.qcow2`,
        checksumUrl: `${DL_FEDORA}/Fedora-Cloud-44-1.7-aarch64-CHECKSUM`,
        form: 'bsd',
      },
    ],
    [
      'almalinux-10-v2',
      {
        url: 'https://repo.almalinux.org/almalinux/10/cloud/x86_64_v2/images/AlmaLinux-10-GenericCloud-latest.x86_64_v2.qcow2',
        checksumUrl: 'https://repo.almalinux.org/almalinux/10/cloud/x86_64_v2/images/CHECKSUM',
      },
    ],
    [
      'opensuse-leap-15.6',
      {
        file: 'openSUSE-Leap-15.6-Minimal-VM.x86_64-15.6.0-Cloud-Build19.146.qcow2',
        url: `${SUSE}/distribution/leap/15.6/appliances/openSUSE-Leap-15.6-Minimal-VM.x86_64-15.6.0-Cloud-Build19.146.qcow2`,
        checksumUrl: `${SUSE}/distribution/leap/15.6/appliances/openSUSE-Leap-15.6-Minimal-VM.x86_64-Cloud.qcow2.sha256`,
      },
    ],
    [
      'opensuse-tumbleweed-arm64',
      {
        file: 'openSUSE-Tumbleweed-Minimal-VM.aarch64-Cloud.qcow2',
        url: `${SUSE}/ports/aarch64/tumbleweed/appliances/openSUSE-Tumbleweed-Minimal-VM.aarch64-Cloud.qcow2`,
        checksumUrl: `${SUSE}/ports/aarch64/tumbleweed/appliances/openSUSE-Tumbleweed-Minimal-VM.aarch64-Cloud.qcow2.sha256`,
      },
    ],
    [
      'alpine-3.23',
      {
        file: 'nocloud_alpine-3.23.4-x86_64-uefi-cloudinit-r0.qcow2',
        url: 'https://dl-cdn.alpinelinux.org/alpine/v3.23/releases/cloud/nocloud_alpine-3.23.4-x86_64-uefi-cloudinit-r0.qcow2',
        checksumUrl:
          'https://dl-cdn.alpinelinux.org/alpine/v3.23/releases/cloud/nocloud_alpine-3.23.4-x86_64-uefi-cloudinit-r0.qcow2.sha512',
        form: 'bare',
      },
    ],
  ])('%s leads to the right places', async (name, { file, url, checksumUrl, form = 'hex-file' }) => {
    const { download } = await catalogEntry(SHIPPED, name);
    const found = newestFile(`<a href="${file ?? ''}">`, download?.pattern ?? 'none');
    expect(found?.file).toBe(file);
    const words = { ...found?.words, file: file ?? 'none' };
    expect(fillIn(download?.url ?? '', words)).toBe(url);
    expect(fillIn(download?.checksumUrl ?? '', words)).toBe(checksumUrl);
    expect(download?.checksumForm).toBe(form);
  });

  test('a dot of a version is no more than that', async () => {
    const { download } = await catalogEntry(SHIPPED, 'alpine-3.23');
    const file = 'nocloud_alpine-3x23.4-x86_64-uefi-cloudinit-r0.qcow2';
    expect(newestFile(file, download?.pattern ?? '')).toBeUndefined();
  });
});
