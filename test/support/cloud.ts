// A bonami home of its own, driven through the real program as a person would.
import { execa } from 'execa';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Image, Instance, Snapshot, Volume } from '@aws-sdk/client-ec2';
import type { BootMode } from '../../src/core/architecture.ts';
import type { InstanceId, SnapshotId, VolumeId } from '../../src/core/ids.ts';
import { catalogEntry } from '../../src/ec2/images/catalog.ts';
import { layoutOf, locate, type Layout } from '../../src/store/layout.ts';

const ROOT = join(import.meta.dirname, '../..');
export const PROGRAM = join(ROOT, 'dist/main.js');

export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CallOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Sends the program SIGINT once this is true. */
  readonly interruptWhen?: () => boolean;
}

export class Cloud {
  readonly home: string;
  readonly layout: Layout;

  constructor(home: string) {
    this.home = home;
    this.layout = layoutOf(locate({ BONAMI_HOME: home }));
  }

  /** Runs one command; a failure is an answer too. */
  async try(args: readonly string[], { env = {}, input, interruptWhen }: CallOptions = {}): Promise<Answer> {
    const child = execa(process.execPath, [PROGRAM, ...args], {
      reject: false,
      stripFinalNewline: false,
      env: { BONAMI_HOME: this.home, BONAMI_INTERNET: 'off', ...env },
      ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    });
    const timer = setInterval(() => {
      if (interruptWhen?.() !== true) return;
      child.kill('SIGINT');
      clearInterval(timer);
    }, 2);
    const { exitCode, stdout, stderr } = await child;
    clearInterval(timer);
    return { code: exitCode ?? -1, stdout, stderr };
  }

  /** Runs one command that must succeed; returns its standard output. */
  async bonami(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.try(args);
    if (code !== 0) throw new Error(`bonami ${args.join(' ')} ended with ${code}\n${stderr}${stdout}`);
    return stdout;
  }

  async json<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.bonami(...args, '--json')) as T;
  }

  /** Launches and returns the instances. */
  async run(...args: readonly string[]): Promise<readonly Instance[]> {
    return (await this.json<{ Instances: Instance[] }>('run', ...args)).Instances;
  }

  async ls(...args: readonly string[]): Promise<readonly Instance[]> {
    const { Reservations } = await this.json<{ Reservations: { Instances: Instance[] }[] }>('ls', ...args);
    return Reservations.flatMap(({ Instances }) => Instances);
  }

  async instance(id: string): Promise<Instance | undefined> {
    return (await this.ls('-a')).find(({ InstanceId }) => InstanceId === id);
  }

  /** What a command in a guest says, which must succeed. */
  async inGuest(instance: string, command: string): Promise<string> {
    return (await this.bonami('ssh', instance, '--', command)).trim();
  }

  /** The volumes of an instance, by their device names. */
  async volumesOf(name: string): Promise<Readonly<Record<string, VolumeId>>> {
    const [instance] = await this.ls('--filter', `tag:Name=${name}`);
    const mappings = instance?.BlockDeviceMappings ?? [];
    return Object.fromEntries(mappings.map(({ DeviceName, Ebs }) => [DeviceName, Ebs?.VolumeId as VolumeId]));
  }

  /** All volumes of the home. */
  async volumes(): Promise<readonly Volume[]> {
    return (await this.json<{ Volumes: Volume[] }>('volume', 'ls')).Volumes;
  }

  /** Takes snapshots of a volume, or of all volumes of an instance. */
  async snapshot(source: string): Promise<readonly Snapshot[]> {
    return (await this.json<{ Snapshots: Snapshot[] }>('snapshot', 'create', source)).Snapshots;
  }

  /** The snapshot of an image's disk. */
  async snapshotOf(image: string, device: string): Promise<SnapshotId> {
    const { BlockDeviceMappings = [] } = await this.json<Image>('image', 'show', image);
    const mapping = BlockDeviceMappings.find(({ DeviceName }) => DeviceName === device);
    if (mapping?.Ebs?.SnapshotId === undefined) throw new Error(`'${image}' has no disk ${device}`);
    return mapping.Ebs.SnapshotId as SnapshotId;
  }

  /** The process id of an instance's QEMU. */
  qemuPid(instanceId: string): number {
    const { machine } = this.layout.instance(instanceId as InstanceId);
    return (JSON.parse(readFileSync(machine, 'utf8')) as { pid: number }).pid;
  }

  /** Ends everything that still lives and removes the home. */
  async close(): Promise<void> {
    const living = (await this.ls()).flatMap(({ InstanceId }) => InstanceId ?? []);
    if (living.length > 0) await this.bonami('terminate', ...living);
    rmSync(this.home, { recursive: true, force: true });
    rmSync(this.layout.run, { recursive: true, force: true });
  }
}

/** Entries of the catalog that scripts/test builds. */
export type ImageName = 'tiny' | 'tiny-i386' | 'tiny-arm64' | 'tiny-armhf' | 'debian-12' | 'debian-12-i386';

/** A fresh home that has these images, from the cache that scripts/test has filled. */
export async function openCloud(...images: readonly ImageName[]): Promise<Cloud> {
  if (!existsSync(PROGRAM)) throw new Error('dist/ is missing: npm run build');
  const cloud = new Cloud(mkdtempSync('/var/tmp/bonami-test-'));
  for (const name of images) await importImage(cloud, name);
  return cloud;
}

/** Imports a cached image as its catalog entry describes it, but for what is told otherwise. */
export async function importImage(
  cloud: Cloud,
  entryName: ImageName,
  { name = entryName, bootMode }: { readonly name?: string; readonly bootMode?: BootMode } = {},
): Promise<void> {
  const entry = await catalogEntry(join(ROOT, 'images'), entryName);
  const options = {
    name,
    architecture: entry.architecture,
    'boot-mode': bootMode ?? entry.bootMode,
    user: entry.defaultUser,
    'first-boot': entry.firstBoot,
    'root-device': entry.rootDeviceName,
  };
  const words = Object.entries(options).flatMap(([option, value]) => [`--${option}`, value]);
  await cloud.bonami('image', 'import', cachedImage(entryName), ...words);
}

/** The image file that scripts/test has built; a test that needs it says so when it is missing. */
export function cachedImage(name: ImageName): string {
  const folder = process.env['BONAMI_TEST_IMAGES'];
  if (folder === undefined) throw new Error('BONAMI_TEST_IMAGES is not set: run the tests by ./scripts/test');
  return join(folder, `${name}.qcow2`);
}
