import { Ec2Error } from '../../core/errors.ts';
import { isId, isIdPrefix } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { resourcesWithTag } from '../../store/tags.ts';
import { volumes, type Volume } from '../../store/volumes.ts';

/** The volume of exactly this id. Throws `InvalidVolumeID.Malformed` or `InvalidVolume.NotFound`. */
export function volumeOf(db: Db, volumeId: string): Volume {
  if (!isId('volume', volumeId))
    throw new Ec2Error('InvalidVolumeID.Malformed', `Invalid id: "${volumeId}" (expecting "vol-...")`, {
      hint: 'bonami volume ls',
    });
  const found = volumes.get(db, volumeId);
  if (found === undefined) throw notFound(volumeId);
  return found;
}

/** The volume that a user means: by its id, a beginning of it that fits one only, or its Name tag. */
export function resolveVolume(db: Db, reference: string): Volume {
  if (isId('volume', reference)) return volumeOf(db, reference);
  const tagged = new Set(resourcesWithTag(db, 'Name', reference));
  const [first, ...others] = volumes
    .list(db)
    .filter(({ volumeId }) =>
      isIdPrefix('volume', reference) ? volumeId.startsWith(reference) : tagged.has(volumeId),
    );
  if (first === undefined) throw notFound(reference);
  if (others.length > 0)
    throw new Ec2Error('InvalidVolume.NotFound', `'${reference}' stands for ${others.length + 1} volumes`, {
      hint: 'bonami volume ls',
    });
  return first;
}

function notFound(reference: string): Ec2Error {
  return new Ec2Error('InvalidVolume.NotFound', `The volume '${reference}' does not exist.`, {
    hint: 'bonami volume ls',
  });
}
