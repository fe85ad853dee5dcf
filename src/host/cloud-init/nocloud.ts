import { mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '../command.ts';

export interface Seed {
  readonly path: string;
  readonly instanceId: string;
  readonly hostname: string;
  readonly publicKeys: readonly string[];
  readonly userData: Buffer | undefined;
  readonly interfaces: readonly { readonly macAddress: string }[];
}

/** FAT needs some room even for three small files. */
const SEED_BYTES = 1440 * 1024;

/** Writes a NoCloud seed disk: FAT, labelled `cidata` (cloud-init documentation, "NoCloud"). There whole or not at all. */
export async function writeSeedDisk(seed: Seed): Promise<void> {
  const folder = mkdtempSync(join(dirname(seed.path), 'seed-'));
  try {
    const disk = join(folder, 'seed.img');
    const files = await seedFiles(seed);
    writeFileSync(disk, '', { mode: 0o600 });
    truncateSync(disk, SEED_BYTES);
    await run('mformat', ['-i', disk, '-f', '1440', '-v', 'cidata', '::']);
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(folder, name), content, { mode: 0o600 });
    await run('mcopy', ['-i', disk, ...Object.keys(files).map((name) => join(folder, name)), '::']);
    renameSync(disk, seed.path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The three files, by an emitter that quotes what YAML 1.1 would take for a number (a MAC, say). */
async function seedFiles({
  instanceId,
  hostname,
  publicKeys,
  userData,
  interfaces,
}: Seed): Promise<Readonly<Record<string, string | Buffer>>> {
  const { stringify } = await import('../../core/yaml.ts');
  const yaml = (value: unknown): string => stringify(value, { version: '1.1', lineWidth: 0 });
  const ethernets = Object.fromEntries(
    interfaces.map(({ macAddress }, index) => [
      `id${index}`,
      { match: { macaddress: macAddress }, dhcp4: true },
    ]),
  );
  return {
    'meta-data': yaml({ 'instance-id': instanceId, 'local-hostname': hostname, 'public-keys': publicKeys }),
    'user-data': userData ?? '',
    'network-config': yaml({ version: 2, ethernets }),
  };
}
