import type { DeleteNetworkInterfaceRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { removeNetworkInterface } from './remove-network-interface.ts';
import { userInterface } from './user-interface.ts';

/** EC2's DeleteNetworkInterface. Throws `InvalidParameterValue` while an instance has it, which it names. */
export async function deleteNetworkInterface(
  ctx: Ec2Context,
  request: Partial<DeleteNetworkInterfaceRequest>,
): Promise<Record<string, never>> {
  const { vpcId } = transact(ctx.db, () => {
    const each = userInterface(ctx.db, request.NetworkInterfaceId ?? '');
    if (each.attachment)
      throw new Ec2Error(
        'InvalidParameterValue',
        `Network interface '${each.networkInterfaceId}' is currently in use: ${each.attachment.instanceId} has it.`,
        { hint: `bonami eni detach ${each.networkInterfaceId}` },
      );
    removeNetworkInterface(ctx.db, each);
    endDryRun(request);
    return each;
  });
  await applyVpcNetwork(ctx, vpcId);
  return {};
}
