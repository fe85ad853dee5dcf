import type { UnassignIpv6AddressesRequest, UnassignIpv6AddressesResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { canonicalAddress } from '../../core/ip.ts';
import { transact } from '../../store/database.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { userInterface } from './user-interface.ts';

/** EC2's UnassignIpv6Addresses. */
export async function unassignIpv6Addresses(
  ctx: Ec2Context,
  { NetworkInterfaceId = '', Ipv6Addresses = [] }: Partial<UnassignIpv6AddressesRequest>,
): Promise<UnassignIpv6AddressesResult> {
  if (Ipv6Addresses.length === 0)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter ipv6Addresses');
  const doomed = Ipv6Addresses.map((address) => canonicalAddress(address) ?? address);
  const { vpcId } = transact(ctx.db, () => {
    const present = userInterface(ctx.db, NetworkInterfaceId);
    const stray = doomed.find((address) => !present.ipv6Addresses.includes(address));
    if (stray !== undefined)
      throw new Ec2Error(
        'InvalidParameterValue',
        `[${stray}] is not assigned to interface ${NetworkInterfaceId}`,
        { hint: `bonami eni show ${NetworkInterfaceId}` },
      );
    networkInterfaces.update(ctx.db, {
      ...present,
      ipv6Addresses: present.ipv6Addresses.filter((each) => !doomed.includes(each)),
    });
    return present;
  });
  await applyVpcNetwork(ctx, vpcId);
  return { NetworkInterfaceId, UnassignedIpv6Addresses: doomed, UnassignedIpv6Prefixes: [] };
}
