import type { AssociateDhcpOptionsRequest } from '@aws-sdk/client-ec2';
import { transact } from '../../store/database.ts';
import { vpcs } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';

/**
 * EC2's AssociateDhcpOptions: what the VPC's instances are told when they renew their leases; `default` is EC2's own
 * set. Throws `InvalidDhcpOptionID.NotFound`.
 */
export async function associateDhcpOptions(
  ctx: Ec2Context,
  { DhcpOptionsId = '', VpcId = '', DryRun }: AssociateDhcpOptionsRequest,
): Promise<Record<string, never>> {
  const { vpcId } = transact(ctx.db, () => {
    const vpc = recordOf(ctx.db, 'vpc', VpcId);
    const dhcpOptionsId =
      DhcpOptionsId === 'default' ? null : recordOf(ctx.db, 'dhcpOptions', DhcpOptionsId).dhcpOptionsId;
    vpcs.update(ctx.db, { ...vpc, dhcpOptionsId });
    endDryRun({ DryRun });
    return vpc;
  });
  await applyVpcNetwork(ctx, vpcId);
  return {};
}
