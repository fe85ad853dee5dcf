import type { DeleteManagedPrefixListRequest, DeleteManagedPrefixListResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { prefixLists } from '../../store/security-groups.ts';
import { removeTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { ec2PrefixList } from './ec2-prefix-list.ts';
import { referencingGroups } from './referencing-groups.ts';

/** EC2's DeleteManagedPrefixList. Throws `DependencyViolation`, naming the groups that use it. */
export function deleteManagedPrefixList(
  ctx: Ec2Context,
  request: Partial<DeleteManagedPrefixListRequest>,
): DeleteManagedPrefixListResult {
  return transact(ctx.db, () => {
    const list = recordOf(ctx.db, 'prefixList', request.PrefixListId ?? '');
    const users = referencingGroups(ctx.db, list.prefixListId).map(({ groupId }) => groupId);
    if (users.length > 0)
      throw new Ec2Error(
        'DependencyViolation',
        `The prefix list '${list.prefixListId}' is referenced and cannot be deleted: ${users.join(', ')}`,
        { hint: `bonami sg show ${users[0] ?? ''}` },
      );
    const shown = ec2PrefixList(ctx, list, 'delete-complete');
    removeTags(ctx.db, list.prefixListId);
    prefixLists.remove(ctx.db, list.prefixListId);
    endDryRun(request);
    return { PrefixList: shown };
  });
}
