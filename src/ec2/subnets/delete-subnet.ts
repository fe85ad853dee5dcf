import type { DeleteSubnetRequest } from '@aws-sdk/client-ec2';
import { transact } from '../../store/database.ts';
import { natGateways } from '../../store/gateways.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import { removeTags } from '../../store/tags.ts';
import { subnets } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { dependencyViolation } from '../dependency-violation.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';

/** EC2's DeleteSubnet. Throws `DependencyViolation` while it has interfaces. */
export async function deleteSubnet(
  ctx: Ec2Context,
  { SubnetId = '', DryRun }: DeleteSubnetRequest,
): Promise<Record<string, never>> {
  const vpcId = transact(ctx.db, () => {
    const { subnetId, vpcId: of } = recordOf(ctx.db, 'subnet', SubnetId);
    const gateways = natGateways.listBy(ctx.db, 'subnet_id', subnetId);
    const users = networkInterfaces
      .listBy(ctx.db, 'subnet_id', subnetId)
      .map(
        ({ networkInterfaceId, attachment }) =>
          attachment?.instanceId ??
          gateways.find((each) => each.networkInterfaceId === networkInterfaceId)?.natGatewayId ??
          networkInterfaceId,
      );
    if (users.length > 0) throw dependencyViolation('subnet', subnetId, [...new Set(users)]);
    removeTags(ctx.db, subnetId);
    subnets.remove(ctx.db, subnetId);
    endDryRun({ DryRun });
    return of;
  });
  await applyVpcNetwork(ctx, vpcId);
  return {};
}
