import { Ec2Error } from '../../core/errors.ts';
import { isId, isIdPrefix, type InstanceId } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { instances, type Instance } from '../../store/instances.ts';
import { resourcesWithTag } from '../../store/tags.ts';

/** The instance with this id. Throws EC2's `InvalidInstanceID.Malformed` or `.NotFound`. */
export function getInstance(db: Db, instanceId: string): Instance {
  if (!isId('instance', instanceId))
    throw new Ec2Error('InvalidInstanceID.Malformed', `Invalid id: '${instanceId}'`, { hint: 'bonami ls' });
  const instance = instances.get(db, instanceId);
  if (instance === undefined)
    throw new Ec2Error('InvalidInstanceID.NotFound', `The instance ID '${instanceId}' does not exist`, {
      hint: 'bonami ls -a',
    });
  return instance;
}

/**
 * The instance that a person means: an id, a unique beginning of one, or a Name tag. Among equal names the living
 * one is meant, and among the dead the last. Throws `InvalidInstanceID.NotFound`, or a usage-like error that lists the candidates.
 */
export function resolveInstance(db: Db, reference: string): Instance {
  if (isId('instance', reference)) return getInstance(db, reference);
  const all = instances.list(db);
  const named = new Set(resourcesWithTag(db, 'Name', reference));
  const byName = all.filter(({ instanceId }) => named.has(instanceId));
  const living = byName.filter(({ state }) => state !== 'terminated' && state !== 'shutting-down');
  const matches = living.length > 0 ? living : byName.toSorted(newestFirst).slice(0, 1);
  const candidates =
    matches.length > 0
      ? matches
      : isIdPrefix('instance', reference)
        ? all.filter(({ instanceId }) => instanceId.startsWith(reference))
        : [];
  const [first, ...others] = candidates;
  if (first === undefined)
    throw new Ec2Error(
      'InvalidInstanceID.NotFound',
      `There is no instance with the id or name '${reference}'`,
      { hint: 'bonami ls -a' },
    );
  if (others.length > 0)
    throw new Ec2Error(
      'InvalidInstanceID.Ambiguous',
      `'${reference}' could be ${candidates.map(({ instanceId }) => instanceId).join(' or ')}`,
      {
        hint: 'name one of them by its id',
      },
    );
  return first;
}

function newestFirst(a: Instance, b: Instance): number {
  return b.launchTime.localeCompare(a.launchTime);
}

export function resolveInstanceIds(db: Db, references: readonly string[]): readonly InstanceId[] {
  return references.map((reference) => resolveInstance(db, reference).instanceId);
}
