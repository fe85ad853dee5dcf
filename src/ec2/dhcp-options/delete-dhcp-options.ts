import type { DeleteDhcpOptionsRequest } from '@aws-sdk/client-ec2';
import { transact } from '../../store/database.ts';
import { removeTags } from '../../store/tags.ts';
import { dhcpOptionSets, vpcs } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { dependencyViolation } from '../dependency-violation.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';

/** EC2's DeleteDhcpOptions. Throws `DependencyViolation` while VPCs use them. */
export function deleteDhcpOptions(
  { db }: Ec2Context,
  { DhcpOptionsId: wanted = '', DryRun }: DeleteDhcpOptionsRequest,
): Record<string, never> {
  transact(db, () => {
    const { dhcpOptionsId } = recordOf(db, 'dhcpOptions', wanted);
    const users = vpcs.listBy(db, 'dhcp_options_id', dhcpOptionsId).map(({ vpcId }) => vpcId);
    if (users.length > 0)
      throw dependencyViolation(
        'dhcpOptions',
        dhcpOptionsId,
        users,
        `bonami dhcp associate ${users[0]} default`,
      );
    removeTags(db, dhcpOptionsId);
    dhcpOptionSets.remove(db, dhcpOptionsId);
    endDryRun({ DryRun });
  });
  return {};
}
