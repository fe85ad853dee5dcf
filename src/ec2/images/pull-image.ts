import { HostError, messageOf } from '../../core/errors.ts';
import type { Image } from '../../store/images.ts';
import type { Ec2Context } from '../context.ts';
import { buildInto } from './build-image.ts';
import { type CatalogDownload, type CatalogEntry, catalogEntry } from './catalog.ts';
import { describeEntry } from './image-description.ts';
import { receiveImage } from './receive-image.ts';
import { asCatalogMoved, resolveDownload } from './resolve-download.ts';
import type { ArrivedDisk } from './store-disk.ts';
import { type FetchOptions, fetchToFile } from './sources/https.ts';
import { settledImage } from './sweep-imports.ts';

const MAX_IMAGE_BYTES = 32 * 2 ** 30;

export interface PullImageRequest {
  /** A name of the catalog. */
  readonly name: string;
  /** How to connect; for tests and mirrors. */
  readonly connection?: Pick<FetchOptions, 'ca' | 'isAllowed' | 'allowedHosts' | 'connectTimeoutMs'>;
}

/**
 * Gets an image of the catalog, or gives the one that is here already. Downloads it and verifies its digest; where
 * the internet cannot be reached, says so and builds it instead. A failed verification is never a reason to build.
 */
export async function pullImage(ctx: Ec2Context, request: PullImageRequest): Promise<Image> {
  const entry = await catalogEntry(ctx.catalog, request.name);
  const existing = await settledImage(ctx, entry.name);
  if (existing) return existing;
  return receiveImage(ctx, describeEntry(entry), async (folder) => {
    if (entry.download === undefined) return buildInto(ctx, entry, folder);
    try {
      return await downloadInto(ctx, entry, {
        rules: entry.download,
        folder,
        connection: request.connection,
      });
    } catch (error) {
      const isOffline = error instanceof HostError && error.code === 'Unreachable';
      if (!isOffline || entry.recipe === undefined) throw error;
      ctx.report.info(`${messageOf(error)}; building '${entry.name}' here instead`);
      return buildInto(ctx, entry, folder);
    }
  });
}

interface Place {
  readonly rules: CatalogDownload;
  readonly folder: string;
  readonly connection: PullImageRequest['connection'] | undefined;
}

/** The digest is known before the first byte of the image arrives, and verified before anything looks at them. */
async function downloadInto(
  ctx: Ec2Context,
  entry: CatalogEntry,
  { rules, folder, connection }: Place,
): Promise<ArrivedDisk> {
  const common = { ...connection, signal: ctx.signal };
  const { url, file, digest, checksumUrl, format } = await resolveDownload(entry, rules, common);
  const { algorithm } = digest;
  const path = `${folder}/download`;
  const received = await fetchToFile(url, {
    ...common,
    path,
    algorithm,
    maxBytes: MAX_IMAGE_BYTES,
    onProgress: (progress) =>
      ctx.report.progress({ label: `downloading ${file}`, ...progress, unit: 'bytes' }),
  }).catch((error: unknown) => {
    throw asCatalogMoved(error, entry, url);
  });
  if (received !== digest.hex)
    throw new HostError('ImageDigestMismatch', `'${url}' is not what '${checksumUrl}' says it is`, {
      details: [`expected ${algorithm} ${digest.hex}`, `received ${algorithm} ${received}`],
      hint: 'try again: the two may have been replaced in between',
    });
  return { path, format, source: `downloaded from ${url}, ${algorithm} verified` };
}
