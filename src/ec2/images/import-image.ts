import type { Readable } from 'node:stream';
import { Ec2Error } from '../../core/errors.ts';
import type { DiskFormat } from '../../host/disk/qemu-img.ts';
import { type Image, images, rootMapping } from '../../store/images.ts';
import { snapshots } from '../../store/snapshots.ts';
import type { Ec2Context } from '../context.ts';
import { completeImage } from './complete-image.ts';
import { checkName, checkSaid, isName, nameFromFile, type Said } from './image-description.ts';
import { type ArrivedImage, type Arrivals, receiveImage } from './receive-image.ts';
import { type ChecksumOption, readChecksumOption } from './sources/checksum-option.ts';
import { type OpenedSource, openSource, type SourceOptions } from './sources/open-source.ts';
import type { Expected } from './sources/verified.ts';
import { settledImage } from './sweep-images.ts';
import { takeImage } from './take-image.ts';

export interface ImportImageRequest extends Omit<SourceOptions, 'isVerified'> {
  /** A path, `http(s)://…`, `s3://bucket/key`, or `-` for standard input. */
  readonly source: string;
  readonly stdin?: Readable | undefined;
  /** What the user says of it. */
  readonly said?: Said;
  /** What the disk is taken for. */
  readonly format?: DiskFormat | undefined;
  /** What its bytes must be, or who says so. */
  readonly checksum?: ChecksumOption | undefined;
  /** Take the user's word even where the disk says otherwise. */
  readonly override?: boolean;
}

/** The image is here already, as it is asked for. */
class AlreadyThere extends Error {
  readonly image: Image;

  constructor(image: Image) {
    super('already there');
    this.image = image;
  }
}

/**
 * EC2's ImportImage: makes an image of a disk in any common format, compressed or not, of an OVA, or of a bundle of
 * our own. Asking twice for the same contents by the same name gives the same image. Throws the refusals of the
 * inspector, the archive and the download, `InvalidAMIName.Duplicate` when the name stands for something else.
 */
export async function importImage(ctx: Ec2Context, request: ImportImageRequest): Promise<Image> {
  const { source, said = {}, checksum } = request;
  checkSaid(said);
  const opened = await openSource(ctx, source, { ...request, isVerified: checksum !== undefined });
  try {
    const expected = await expectedBytes(ctx, opened.file, request);
    const wanted = said.name ?? nameFromFile(opened.file);
    return await receiveNamed(ctx, wanted, async (arrivals) => {
      const taken = await takeImage(ctx, opened, { arrivals, expected, format: request.format });
      const arrived = await completeImage(ctx, taken, {
        name: said.name ?? taken.origin.name ?? (isName(wanted) ? wanted : namelessName(ctx)),
        user: said,
        override: request.override ?? false,
        source: `imported from ${opened.shown}${expected ? `, ${expected.algorithm} verified` : ''}`,
      });
      checkName(arrived.description.name);
      // What came with the disk may have named it; and under its name there may be an image already.
      const [there] = images.listBy(ctx.db, 'name', arrived.description.name);
      if (there?.state === 'available') refuseUnlessSame(ctx, there, { arrived, said });
      return arrived;
    });
  } catch (error) {
    if (!(error instanceof AlreadyThere)) throw error;
    const { name, imageId } = error.image;
    ctx.report.info(`'${name}' (${imageId}) has the same contents already; nothing to import`);
    return error.image;
  } finally {
    close(opened);
  }
}

/**
 * `receiveImage` under this name, or under another for now when an image has it already. Of several commands that
 * bring the same image at the same moment, all but one wait.
 */
async function receiveNamed(
  ctx: Ec2Context,
  wanted: string,
  bring: (arrivals: Arrivals) => Promise<ArrivedImage>,
): Promise<Image> {
  for (;;) {
    const existing = await settledImage(ctx, wanted);
    const name = existing === undefined && isName(wanted) ? wanted : placeholder(ctx);
    let hasBegun = false;
    try {
      return await receiveImage(ctx, name, async (arrivals) => {
        hasBegun = true;
        return bring(arrivals);
      });
    } catch (error) {
      const isTaken = error instanceof Ec2Error && error.code === 'InvalidAMIName.Duplicate';
      if (hasBegun || !isTaken) throw error;
    }
  }
}

async function expectedBytes(
  ctx: Ec2Context,
  file: string,
  { checksum, connection, allowedHosts }: ImportImageRequest,
): Promise<Expected | undefined> {
  if (checksum === undefined) return undefined;
  const options = {
    ...connection,
    signal: ctx.signal,
    ...(allowedHosts === undefined ? {} : { allowedHosts }),
  };
  const digest = await readChecksumOption(checksum, { file, connection: options });
  const saidBy = 'url' in checksum ? checksum.url : 'path' in checksum ? checksum.path : 'its digest';
  return { ...digest, saidBy };
}

/** Throws `AlreadyThere`, or `InvalidAMIName.Duplicate` with what differs. */
function refuseUnlessSame(
  ctx: Ec2Context,
  existing: Image,
  { arrived, said }: { readonly arrived: ArrivedImage; readonly said: Said },
): never {
  const snapshotId = rootMapping(existing)?.snapshotId;
  const stored = snapshotId ? snapshots.get(ctx.db, snapshotId)?.layers : undefined;
  const root = arrived.mappings.find(({ deviceName }) => deviceName === arrived.description.rootDeviceName);
  const isSameDisk = stored?.length === 1 && stored[0] === root?.disk.layers[0];
  const asked = Object.entries(said).filter(([, value]) => value !== undefined);
  const isAsAsked = asked.every(([key, value]) => existing[key as keyof Said] === value);
  if (isSameDisk && isAsAsked) throw new AlreadyThere(existing);
  throw new Ec2Error(
    'InvalidAMIName.Duplicate',
    `An image with the name '${existing.name}' already exists (${existing.imageId}), of other ${isSameDisk ? 'settings' : 'contents'}`,
    { hint: 'choose another name with --name' },
  );
}

/** For a disk whose file has no name that an image could have. */
function namelessName(ctx: Ec2Context): string {
  return `imported-${ctx.now().toISOString().slice(0, 19).replaceAll(':', '.')}`;
}

/** Until the right name is known. */
function placeholder(ctx: Ec2Context): string {
  return `arriving since ${ctx.now().toISOString().replaceAll(':', '.')} (${process.pid})`;
}

function close(opened: OpenedSource): void {
  if (opened.kind === 'stream') opened.stream.destroy();
}
