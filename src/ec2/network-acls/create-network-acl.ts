import type { CreateNetworkAclRequest, CreateNetworkAclResult } from '@aws-sdk/client-ec2';
import { newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { networkAcls, type NetworkAcl } from '../../store/network-acls.ts';
import { putTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { specifiedTags } from '../tags/ec2-tags.ts';
import { ec2NetworkAcl } from './ec2-network-acl.ts';

/** EC2's CreateNetworkAcl: it denies everything until it has entries. Throws `InvalidVpcID.NotFound`. */
export function createNetworkAcl(
  ctx: Ec2Context,
  { VpcId = '', TagSpecifications, DryRun }: CreateNetworkAclRequest,
): CreateNetworkAclResult {
  const tags = specifiedTags(TagSpecifications, 'network-acl');
  const acl = transact(ctx.db, () => {
    const { vpcId } = recordOf(ctx.db, 'vpc', VpcId);
    const made: NetworkAcl = { networkAclId: newId('networkAcl'), vpcId, isDefault: false, entries: [] };
    networkAcls.insert(ctx.db, made);
    putTags(ctx.db, made.networkAclId, tags);
    endDryRun({ DryRun });
    return made;
  });
  return { NetworkAcl: ec2NetworkAcl(ctx, acl) };
}
