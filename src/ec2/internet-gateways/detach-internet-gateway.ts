import type { DetachInternetGatewayRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { VpcId } from '../../core/ids.ts';
import { addresses } from '../../store/addresses.ts';
import { transact, type Db } from '../../store/database.ts';
import { internetGateways } from '../../store/gateways.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';

/**
 * EC2's DetachInternetGateway; routes to it become blackholes. Throws `Gateway.NotAttached`, and
 * `DependencyViolation` while elastic addresses lead into the VPC.
 */
export async function detachInternetGateway(
  ctx: Ec2Context,
  { InternetGatewayId: wanted = '', VpcId = '', DryRun }: DetachInternetGatewayRequest,
): Promise<Record<string, never>> {
  const vpcId = transact(ctx.db, () => {
    const gateway = recordOf(ctx.db, 'internetGateway', wanted);
    const { vpcId: id } = recordOf(ctx.db, 'vpc', VpcId);
    if (gateway.vpcId !== id)
      throw new Ec2Error(
        'Gateway.NotAttached',
        `resource ${gateway.internetGatewayId} is not attached to network ${id}`,
        { hint: 'bonami igw ls' },
      );
    const mapped = publicAddressesOf(ctx.db, id);
    if (mapped.length > 0)
      throw new Ec2Error(
        'DependencyViolation',
        `Network ${id} has some mapped public address(es): ${mapped.join(', ')}. Please unmap those public address(es) before detaching the gateway.`,
        { hint: `bonami eip disassociate ${mapped[0]}, or bonami nat rm for a NAT gateway's` },
      );
    internetGateways.update(ctx.db, { ...gateway, vpcId: null });
    endDryRun({ DryRun });
    return id;
  });
  await applyVpcNetwork(ctx, vpcId);
  return {};
}

function publicAddressesOf(db: Db, vpcId: VpcId): readonly string[] {
  const inside = new Set<string>(
    networkInterfaces.listBy(db, 'vpc_id', vpcId).map(({ networkInterfaceId }) => networkInterfaceId),
  );
  return addresses
    .list(db)
    .filter(({ association }) => association !== null && inside.has(association.networkInterfaceId))
    .map(({ publicIp }) => publicIp);
}
