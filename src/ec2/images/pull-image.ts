import { HostError, messageOf } from '../../core/errors.ts';
import type { Image } from '../../store/images.ts';
import type { Ec2Context } from '../context.ts';
import { buildInto } from './build-image.ts';
import { type CatalogDownload, type CatalogEntry, catalogEntry } from './catalog.ts';
import { completeImage } from './complete-image.ts';
import { saidByEntry } from './image-description.ts';
import { type ArrivedImage, type Arrivals, receiveImage } from './receive-image.ts';
import { asCatalogMoved, resolveDownload } from './resolve-download.ts';
import { type FetchOptions, openUrl } from './sources/https.ts';
import { settledImage } from './sweep-images.ts';
import { takeImage } from './take-image.ts';

/** The largest published cloud images have a tenth of it. */
const MAX_IMAGE_BYTES = 32 * 2 ** 30;

export interface PullImageRequest {
  /** A name of the catalog. */
  readonly name: string;
  /** How to connect; for tests and mirrors. */
  readonly connection?: Pick<FetchOptions, 'ca' | 'isAllowed' | 'connectTimeoutMs'>;
}

/**
 * Gets an image of the catalog, or gives the one that is here already. Downloads the newest one and verifies its
 * digest while it comes; where the internet cannot be reached, says so and builds it instead. A failed verification
 * is never a reason to build.
 */
export async function pullImage(ctx: Ec2Context, request: PullImageRequest): Promise<Image> {
  const entry = await catalogEntry(ctx.catalog, request.name);
  const existing = await settledImage(ctx, entry.name);
  if (existing) return existing;
  return receiveImage(ctx, entry.name, async (arrivals) => {
    const { download: rules } = entry;
    if (rules === undefined) return buildInto(ctx, entry, arrivals);
    try {
      return await download(ctx, entry, { rules, arrivals, connection: request.connection });
    } catch (error) {
      const isOffline = error instanceof HostError && error.code === 'Unreachable';
      if (!isOffline || entry.recipe === undefined) throw error;
      ctx.report.info(`${messageOf(error)}; building '${entry.name}' here instead`);
      return buildInto(ctx, entry, arrivals);
    }
  });
}

interface Way {
  readonly rules: CatalogDownload;
  readonly arrivals: Arrivals;
  readonly connection: PullImageRequest['connection'] | undefined;
}

/** The digest is known before the first byte of the image arrives. */
async function download(
  ctx: Ec2Context,
  entry: CatalogEntry,
  { rules, arrivals, connection }: Way,
): Promise<ArrivedImage> {
  const options = { ...connection, signal: ctx.signal };
  const { url, digest, checksumUrl, format } = await resolveDownload(entry, rules, options);
  const expected = { ...digest, saidBy: checksumUrl };
  const { stream, length, file } = await openUrl(url, { ...options, maxBytes: MAX_IMAGE_BYTES }).catch(
    (error: unknown) => {
      throw asCatalogMoved(error, entry, url);
    },
  );
  try {
    const opened = { kind: 'stream' as const, stream, length, file, shown: url };
    const taken = await takeImage(ctx, opened, { arrivals, expected, format });
    return await completeImage(
      ctx,
      { ...taken, origin: { ...taken.origin, ...saidByEntry(entry) } },
      {
        name: entry.name,
        user: {},
        override: false,
        source: `downloaded from ${url}, ${expected.algorithm} verified`,
        minimumDiskGiB: entry.minimumDiskGiB,
      },
    );
  } finally {
    stream.destroy();
  }
}
