import type { CreateTagsRequest, DeleteTagsRequest, Tag } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { ID_PREFIXES, isId, type ResourceKind } from '../../core/ids.ts';
import { transact, type Db } from '../../store/database.ts';
import { images } from '../../store/images.ts';
import { instances } from '../../store/instances.ts';
import { keyPairs } from '../../store/key-pairs.ts';
import { securityGroups } from '../../store/security-groups.ts';
import { snapshots } from '../../store/snapshots.ts';
import { putTags, removeTags, tagsOf } from '../../store/tags.ts';
import { volumes } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { ACTIVE_STATES } from '../instances/instance-state.ts';
import { NETWORK_KINDS, type NetworkKind } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { checkedTags } from './checked-tags.ts';

/** AWS: "Tag restrictions". */
const TAGS_PER_RESOURCE = 50;

interface Lookup {
  get(db: Db, id: string): unknown;
}
const OTHER_KINDS: Readonly<Partial<Record<ResourceKind, Lookup>>> = {
  image: images,
  instance: instances,
  keyPair: keyPairs,
  // A rule is a part of its group.
  securityGroupRule: {
    get: (db, id) =>
      securityGroups
        .list(db)
        .flatMap(({ rules }) => rules)
        .find(({ securityGroupRuleId }) => securityGroupRuleId === id),
  },
  snapshot: snapshots,
  volume: volumes,
};

/** EC2's CreateTags: sets tags on resources, all or none. Throws `InvalidID` for a resource that does not exist. */
export async function createTags(
  ctx: Ec2Context,
  { Resources = [], Tags = [] }: CreateTagsRequest,
): Promise<Record<string, never>> {
  const tags = checkedTags(Tags);
  transact(ctx.db, () => {
    for (const id of Resources) {
      requireResource(ctx.db, id);
      const all = { ...tagsOf(ctx.db, id), ...tags };
      if (Object.keys(all).length > TAGS_PER_RESOURCE)
        throw new Ec2Error('TagLimitExceeded', `${id} would have more than ${TAGS_PER_RESOURCE} tags`);
      putTags(ctx.db, id, tags);
    }
  });
  await applyNames(ctx, Resources, Tags);
  return {};
}

/** EC2's DeleteTags: removes tags by key (and value, where one is given). Absent is success. */
export async function deleteTags(
  ctx: Ec2Context,
  { Resources = [], Tags = [] }: DeleteTagsRequest,
): Promise<Record<string, never>> {
  transact(ctx.db, () => {
    for (const id of Resources) {
      requireResource(ctx.db, id);
      const present = tagsOf(ctx.db, id);
      const doomed = Tags.filter(
        ({ Key = '', Value }) => Value === undefined || present[Key] === Value,
      ).flatMap(({ Key }) => Key ?? []);
      removeTags(ctx.db, id, doomed);
    }
  });
  await applyNames(ctx, Resources, Tags);
  return {};
}

/** What an instance is called is known to its VPC's name server. */
async function applyNames(ctx: Ec2Context, ids: readonly string[], tags: readonly Tag[]): Promise<void> {
  if (!tags.some(({ Key }) => Key === 'Name')) return;
  const renamed = ids.flatMap((id) => instances.get(ctx.db, id) ?? []);
  const vpcIds = renamed.filter(({ state }) => ACTIVE_STATES.has(state)).map(({ vpcId }) => vpcId);
  for (const vpcId of new Set(vpcIds)) await applyVpcNetwork(ctx, vpcId);
}

function requireResource(db: Db, id: string): void {
  const kind = (Object.keys(ID_PREFIXES) as ResourceKind[]).find((each) => isId(each, id));
  if (kind === undefined || lookupOf(kind)?.get(db, id) === undefined)
    throw new Ec2Error('InvalidID', `The ID '${id}' is not valid`, { hint: 'bonami ls' });
}

function lookupOf(kind: ResourceKind): Lookup | undefined {
  return Object.hasOwn(NETWORK_KINDS, kind) ? NETWORK_KINDS[kind as NetworkKind].table : OTHER_KINDS[kind];
}
