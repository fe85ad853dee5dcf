import type { UnassignPrivateIpAddressesRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import { dropAssociations } from '../addresses/associations.ts';
import type { Ec2Context } from '../context.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { userInterface } from './user-interface.ts';

/** EC2's UnassignPrivateIpAddresses: secondary ones only; what elastic IPs they had stay allocated. */
export async function unassignPrivateIpAddresses(
  ctx: Ec2Context,
  { NetworkInterfaceId = '', PrivateIpAddresses = [] }: Partial<UnassignPrivateIpAddressesRequest>,
): Promise<Record<string, never>> {
  if (PrivateIpAddresses.length === 0)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter privateIpAddress');
  const { vpcId } = transact(ctx.db, () => {
    const present = userInterface(ctx.db, NetworkInterfaceId);
    for (const address of PrivateIpAddresses) {
      if (present.secondaryPrivateIpAddresses.includes(address)) continue;
      throw new Ec2Error(
        'InvalidParameterValue',
        address === present.privateIpAddress
          ? `[${address}] is the primary address of ${NetworkInterfaceId}, which cannot be unassigned`
          : `[${address}] is not assigned to interface ${NetworkInterfaceId}`,
        { hint: `bonami eni show ${NetworkInterfaceId}` },
      );
    }
    dropAssociations(ctx.db, present.networkInterfaceId, PrivateIpAddresses);
    networkInterfaces.update(ctx.db, {
      ...present,
      secondaryPrivateIpAddresses: present.secondaryPrivateIpAddresses.filter(
        (each) => !PrivateIpAddresses.includes(each),
      ),
    });
    return present;
  });
  await applyVpcNetwork(ctx, vpcId);
  return {};
}
