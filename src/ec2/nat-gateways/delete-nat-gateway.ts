import type { DeleteNatGatewayRequest, DeleteNatGatewayResult } from '@aws-sdk/client-ec2';
import { transact } from '../../store/database.ts';
import { natGateways } from '../../store/gateways.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import { removeTags } from '../../store/tags.ts';
import { dropAssociations } from '../addresses/associations.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';

/**
 * EC2's DeleteNatGateway: its interface goes, its elastic address is free again but stays allocated, routes to it
 * become blackholes (AWS: DeleteNatGateway). Throws `NatGatewayNotFound`.
 */
export async function deleteNatGateway(
  ctx: Ec2Context,
  { NatGatewayId: wanted = '', DryRun }: DeleteNatGatewayRequest,
): Promise<DeleteNatGatewayResult> {
  const { natGatewayId, vpcId } = transact(ctx.db, () => {
    const gateway = recordOf(ctx.db, 'natGateway', wanted);
    for (const id of [gateway.natGatewayId, gateway.networkInterfaceId]) removeTags(ctx.db, id);
    natGateways.remove(ctx.db, gateway.natGatewayId);
    dropAssociations(ctx.db, gateway.networkInterfaceId);
    networkInterfaces.remove(ctx.db, gateway.networkInterfaceId);
    endDryRun({ DryRun });
    return gateway;
  });
  await applyVpcNetwork(ctx, vpcId);
  return { NatGatewayId: natGatewayId };
}
