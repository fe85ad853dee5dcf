// Reads what a machine image is from its disk: nothing is mounted, no program is started, and whatever the disk's
// author wrote there costs no more than an allowance.
import type { Architecture, BootMode } from '../../core/architecture.ts';
import type { ByteSource } from './byte-source.ts';
import type { FirstBoot } from '../../core/first-boot.ts';
import { findArchitecture } from './examine/architecture.ts';
import { findBootMode } from './examine/boot-mode.ts';
import { type CloudInit, findCloudInit } from './examine/cloud-init.ts';
import { findEfiLoader } from './examine/efi.ts';
import { findFirstBoot } from './examine/first-boot.ts';
import { Notes } from './examine/notes.ts';
import { type Distribution, findDistribution } from './examine/os-release.ts';
import { plainText } from './examine/plain-text.ts';
import { type Root, findRoot } from './examine/root.ts';
import { thrifty } from './examine/thrift.ts';
import { openVolumes } from './examine/volumes.ts';
import type { FileSystem } from './files/file-system.ts';
import { type PartitionTable, partitions } from './files/partition-table.ts';

export type { CloudInit } from './examine/cloud-init.ts';
export type { Distribution } from './examine/os-release.ts';

/** What a disk says about itself. Whatever was not found is undefined; texts are fit to be printed. */
export interface DiskFindings {
  readonly architecture: Architecture | undefined;
  readonly bootMode: BootMode | undefined;
  /** undefined when the table is damaged. */
  readonly partitionScheme: PartitionTable['scheme'] | undefined;
  /** Its number; 0 when the root file system is the whole disk. */
  readonly rootPartition: number | undefined;
  readonly rootFileSystem: FileSystem['type'] | undefined;
  readonly rootUuid: string | undefined;
  readonly rootLabel: string | undefined;
  readonly distribution: Distribution | undefined;
  /** undefined when no system was found that could have it, as with `firstBoot`. */
  readonly cloudInit: CloudInit | undefined;
  readonly firstBoot: FirstBoot | undefined;
  /** What architecture and boot mode were seen by: `/usr/bin/dash is ELF x86-64`. */
  readonly evidence: readonly string[];
  /** Why something was not found: `partition 3: LVM is not read`. */
  readonly notes: readonly string[];
}

export interface ExamineOptions {
  /** Its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Bytes; 256 MiB when not given. What was found until then is the answer. */
  readonly maxBytes?: number;
  /** 20 seconds when not given; likewise. */
  readonly timeoutMs?: number;
}

/** Looks at a disk. Never throws for what is on it; an error of the source's own, or of `signal`, passes. */
export async function examine(
  disk: ByteSource,
  { signal, maxBytes = 256 * 2 ** 20, timeoutMs = 20_000 }: ExamineOptions = {},
): Promise<DiskFindings> {
  const notes = new Notes();
  const source = thrifty(disk, { maxBytes, timeoutMs, signal });
  const found = await notes.attempt('the disk', async () => partitions(source));
  const table = found ?? { scheme: 'none', partitions: [] };
  const volumes = await openVolumes(source, table, notes);
  const root = await findRoot(volumes, notes);
  const loader = await findEfiLoader(volumes, notes);
  const partitionTypes = table.partitions.map(({ type }) => type);
  const architecture = await findArchitecture({ volumes, root, loader, partitionTypes }, notes);
  const bootMode = await notes.attempt('the disk', async () =>
    findBootMode(source, { table, volumes, loader, architecture: architecture?.value }),
  );
  return {
    architecture: architecture?.value,
    bootMode: bootMode?.value,
    partitionScheme: found?.scheme,
    ...placeOf(root),
    ...(await systemIn(root, notes)),
    evidence: [architecture, bootMode].flatMap((evident) => plainText(evident?.evidence ?? '', 300) ?? []),
    notes: notes.lines,
  };
}

type Place = Pick<DiskFindings, 'rootPartition' | 'rootFileSystem' | 'rootUuid' | 'rootLabel'>;

function placeOf(root: Root | undefined): Place {
  const volume = root?.volume;
  return {
    rootPartition: volume?.number,
    rootFileSystem: volume?.files.type,
    rootUuid: plainText(volume?.files.uuid ?? '', 64),
    rootLabel: plainText(volume?.files.label ?? '', 64),
  };
}

type System = Pick<DiskFindings, 'distribution' | 'cloudInit' | 'firstBoot'>;

async function systemIn(root: Root | undefined, notes: Notes): Promise<System> {
  if (root === undefined) return { distribution: undefined, cloudInit: undefined, firstBoot: undefined };
  const { files } = root;
  const distribution = await findDistribution(files, notes);
  const cloudInit = await notes.attempt('cloud-init', async () => findCloudInit(files, notes));
  const firstBoot =
    cloudInit &&
    (await notes.attempt('the first boot', async () => findFirstBoot(files, { cloudInit, distribution })));
  return { distribution, cloudInit, firstBoot };
}
