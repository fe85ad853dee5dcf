import { Ec2Error } from '../../core/errors.ts';
import { isId, isIdPrefix } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { type Image, images, rootMapping } from '../../store/images.ts';
import { snapshots } from '../../store/snapshots.ts';

export const DEFAULT_IMAGE = 'debian-12';

/**
 * The available image that a user means: by its id, a beginning of it that fits one image only, its name, or the
 * default image when nothing was said. Throws `InvalidAMIID.Malformed`, `.NotFound` or `.Unavailable`.
 */
export function resolveImage(db: Db, reference: string = DEFAULT_IMAGE): Image {
  const [named] = images.listBy(db, 'name', reference);
  const found = named ?? byId(db, reference);
  if (found === undefined) throw notFound(reference);
  if (found.state === 'available') return found;
  throw new Ec2Error('InvalidAMIID.Unavailable', `The image '${reference}' is still on its way`, {
    hint: 'bonami image ls',
  });
}

/** What EC2's Image has no field for. Throws `InvalidAMIID.NotFound`. */
export function imageProvenance(
  db: Db,
  imageId: string,
): Pick<Image, 'source' | 'defaultUser' | 'firstBoot' | 'cpuBaseline' | 'findings'> & {
  /** Of the root volume's layers, the lowest first. */
  readonly digests: readonly string[];
} {
  const image = images.get(db, imageId);
  if (image === undefined) throw notFound(imageId);
  const { source, defaultUser, firstBoot, cpuBaseline, findings } = image;
  const root = rootMapping(image)?.snapshotId ?? undefined;
  const digests = root === undefined ? [] : (snapshots.get(db, root)?.layers ?? []);
  return { source, defaultUser, firstBoot, cpuBaseline, findings, digests };
}

function byId(db: Db, reference: string): Image | undefined {
  if (!reference.startsWith('ami-')) return undefined;
  if (isId('image', reference)) {
    const exact = images.get(db, reference);
    if (exact) return exact;
  }
  if (!isIdPrefix('image', reference))
    throw new Ec2Error('InvalidAMIID.Malformed', `Invalid id: "${reference}"`, { hint: 'bonami image ls' });
  const [first, ...others] = images.list(db).filter(({ imageId }) => imageId.startsWith(reference));
  if (others.length === 0) return first;
  throw new Ec2Error(
    'InvalidAMIID.NotFound',
    `'${reference}' is the beginning of ${others.length + 1} image ids`,
    { hint: 'bonami image ls' },
  );
}

function notFound(reference: string): Ec2Error {
  const isLikeId = reference.startsWith('ami-');
  return new Ec2Error(
    'InvalidAMIID.NotFound',
    isLikeId ? `The image id '[${reference}]' does not exist` : `There is no image '${reference}'`,
    { hint: isLikeId ? 'bonami image ls' : `bonami image ls, or bonami image pull ${reference}` },
  );
}
