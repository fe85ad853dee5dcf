import { Ec2Error } from '../core/errors.ts';
import { isId, isIdPrefix, type ResourceId } from '../core/ids.ts';
import type { Db } from '../store/database.ts';
import { resourcesWithTag } from '../store/tags.ts';
import { resolveInstance } from './instances/resolve-instance.ts';
import { NETWORK_KINDS, type NetworkKind, type NetworkRecords } from './resource-kinds.ts';

export interface ResolveOptions {
  /** Only what is in this VPC is meant: a group's name is unique there and nowhere else. */
  readonly vpcId?: string | undefined;
}

/**
 * The resource that a person means: an id, its Name tag or another name it goes by (a group's, the `default` VPC, an
 * elastic IP), or a beginning of its id that fits one only. Throws the kind's `….NotFound`, which lists the
 * candidates when there are several.
 */
export function resolveId<K extends NetworkKind | 'instance'>(
  db: Db,
  kind: K,
  reference: string,
  options: ResolveOptions = {},
): ResourceId<K> {
  if (kind === 'instance') return resolveInstance(db, reference).instanceId as ResourceId<K>;
  const network: NetworkKind = kind as Exclude<K, 'instance'>;
  const found = findId(db, network, reference, options);
  if (found === undefined) {
    const { notFound, missing, noun, list } = NETWORK_KINDS[network];
    throw new Ec2Error(
      notFound,
      isId(network, reference)
        ? missing(reference)
        : `There is no ${noun} with the id or name '${reference}'`,
      { hint: list },
    );
  }
  return found as ResourceId<K>;
}

/** The same, but undefined when nothing of the kind is meant: something of another kind may be. */
export function findId<K extends NetworkKind>(
  db: Db,
  kind: K,
  reference: string,
  { vpcId }: ResolveOptions = {},
): ResourceId<K> | undefined {
  const { table, idOf, notFound } = NETWORK_KINDS[kind];
  // The first eight digits of an id have the form of an old id.
  if (isId(kind, reference) && table.get(db, reference) !== undefined) return reference;
  const all = table
    .list(db)
    .filter((record) => vpcId === undefined || !('vpcId' in record) || record.vpcId === vpcId);
  const [first, ...others] = candidatesOf(db, kind, all, reference).map(idOf);
  if (others.length > 0)
    throw new Ec2Error(notFound, `'${reference}' could be ${[first, ...others].join(' or ')}`, {
      hint: 'name one of them by its id',
    });
  return first as ResourceId<K> | undefined;
}

function candidatesOf<K extends NetworkKind>(
  db: Db,
  kind: K,
  all: readonly NetworkRecords[K][],
  reference: string,
): readonly NetworkRecords[K][] {
  const { idOf, names = () => [] } = NETWORK_KINDS[kind];
  const tagged = new Set(resourcesWithTag(db, 'Name', reference));
  const named = all.filter((record) => tagged.has(idOf(record)) || names(record).includes(reference));
  if (named.length > 0 || !isIdPrefix(kind, reference)) return named;
  return all.filter((record) => idOf(record).startsWith(reference));
}
