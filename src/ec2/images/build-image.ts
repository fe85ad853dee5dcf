import { relative } from 'node:path';
import { HostError } from '../../core/errors.ts';
import { commandPath, run } from '../../host/command.ts';
import { subordinateIds } from '../../host/preflight/rootless.ts';
import type { Image } from '../../store/images.ts';
import type { Ec2Context } from '../context.ts';
import { type CatalogEntry, catalogEntry } from './catalog.ts';
import { completeImage } from './complete-image.ts';
import { saidByEntry } from './image-description.ts';
import { type ArrivedImage, type Arrivals, receiveImage } from './receive-image.ts';
import { settledImage } from './sweep-images.ts';
import { takeBuilt } from './take-image.ts';

/** The longest build on a slow host; what takes longer hangs. */
const BUILD_TIMEOUT_MS = 60 * 60_000;
/** How recipes mark the lines that say what they are doing. */
const STEP = /^==> ?/;
/**
 * As root a recipe runs in process and mount namespaces of its own: when it ends, is interrupted, or loses us, the
 * kernel ends everything that it has started and undoes what it has mounted.
 */
const ALONE = [
  'setpriv',
  '--pdeathsig=KILL',
  'unshare',
  '--pid',
  '--fork',
  '--kill-child=KILL',
  '--mount-proc',
  '--',
];

/** Builds an image of the catalog on this host, without the internet when a Debian mirror is near. */
export async function buildImage(ctx: Ec2Context, { name }: { readonly name: string }): Promise<Image> {
  const entry = await catalogEntry(ctx.catalog, name);
  const existing = await settledImage(ctx, entry.name);
  if (existing) {
    ctx.report.info(
      `'${name}' (${existing.imageId}) is here already; to build it anew: bonami image rm ${name}`,
    );
    return existing;
  }
  return receiveImage(ctx, entry.name, async (arrivals) => buildInto(ctx, entry, arrivals));
}

/**
 * Runs an entry's recipe and takes what it made. Throws `PackagesMissing` with the command that installs them,
 * `ImageNotBuildable`, or what the recipe failed with.
 */
export async function buildInto(
  ctx: Ec2Context,
  entry: CatalogEntry,
  arrivals: Arrivals,
): Promise<ArrivedImage> {
  const { name, recipe } = entry;
  if (recipe === undefined)
    throw new HostError('ImageNotBuildable', `the catalog does not say how to build '${name}'`);
  await requirePackages(entry);
  await requireSubordinateIds(entry);
  const folder = arrivals.workFolder;
  const path = `${folder}/built.qcow2`;
  const isRoot = process.getuid?.() === 0;
  const [command, ...args] = [...(isRoot ? ALONE : []), recipe, path, entry.architecture];
  await run(command ?? recipe, args, {
    signal: ctx.signal,
    timeoutMs: BUILD_TIMEOUT_MS,
    // What it leaves half-made then goes away with the folder. (Without root, the users that a recipe maps for
    // itself could not pass through our home.)
    ...(isRoot ? { killSignal: 'SIGKILL', env: { TMPDIR: folder } } : {}),
    onStderrLine: (line) => {
      if (STEP.test(line)) ctx.report.progress({ label: `building ${name}: ${line.replace(STEP, '')}` });
    },
  });
  const shown = relative(ctx.catalog, recipe);
  const taken = await takeBuilt(ctx, path, arrivals);
  return completeImage(
    ctx,
    { ...taken, origin: saidByEntry(entry) },
    {
      name,
      user: {},
      override: false,
      source: `built from Debian's packages by images/${shown}`,
      minimumDiskGiB: entry.minimumDiskGiB,
    },
  );
}

/** Asks Debian's package database; where there is none, the recipe itself finds out. */
async function requirePackages({ name, builtWith = [] }: CatalogEntry): Promise<void> {
  if (builtWith.length === 0 || (await commandPath('dpkg-query')) === undefined) return;
  const format = '${binary:Package}\\t${Package}\\t${db:Status-Status}\\n';
  // 1: some package is not known at all.
  const { stdout } = await run('dpkg-query', ['-W', `-f=${format}`, '--', ...builtWith], { answers: [1] });
  const installed = new Set(
    stdout
      .split('\n')
      .map((line) => line.split('\t'))
      .filter(([, , status]) => status === 'installed')
      .flatMap(([qualified = '', plain = '']) => [qualified, plain]),
  );
  const missing = builtWith.filter((wanted) => !installed.has(wanted));
  if (missing.length > 0)
    throw new HostError('PackagesMissing', `building '${name}' needs ${missing.join(', ')} on this host`, {
      hint: `sudo apt-get install ${missing.join(' ')}`,
    });
}

/** A system's files belong to several users, and mmdebstrap makes them as a user only with ids to make them for. */
async function requireSubordinateIds({ name, builtWith = [] }: CatalogEntry): Promise<void> {
  if (process.getuid?.() === 0 || !builtWith.includes('mmdebstrap')) return;
  const { status, fact, remedy = '' } = await subordinateIds();
  if (status !== 'ok')
    throw new HostError(
      'SubordinateIdsMissing',
      `an ordinary user needs subordinate ids to build '${name}': ${fact}`,
      { hint: remedy },
    );
}
