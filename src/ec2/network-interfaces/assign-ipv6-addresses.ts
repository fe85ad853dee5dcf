import type { AssignIpv6AddressesRequest, AssignIpv6AddressesResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { allocateIpv6Addresses } from './allocate-private-address.ts';
import { checkAddressCount, typeOfHolder } from './interface-limits.ts';
import { namedOrCounted } from './requested-addresses.ts';
import { userInterface } from './user-interface.ts';

/** EC2's AssignIpv6Addresses: named or counted, all of them or none. */
export async function assignIpv6Addresses(
  ctx: Ec2Context,
  { NetworkInterfaceId = '', Ipv6Addresses, Ipv6AddressCount }: Partial<AssignIpv6AddressesRequest>,
): Promise<AssignIpv6AddressesResult> {
  const wanted = namedOrCounted('Ipv6Address', { named: Ipv6Addresses, count: Ipv6AddressCount });
  if (wanted.length === 0)
    throw new Ec2Error('MissingParameter', 'Either an address or a count of addresses must be specified', {
      hint: '--ipv6 --count 1',
    });
  const { vpcId, assigned } = transact(ctx.db, () => {
    const present = userInterface(ctx.db, NetworkInterfaceId);
    const fresh = allocateIpv6Addresses(ctx.db, recordOf(ctx.db, 'subnet', present.subnetId), wanted);
    const changed = { ...present, ipv6Addresses: [...present.ipv6Addresses, ...fresh] };
    checkAddressCount(changed, typeOfHolder(ctx.db, changed));
    networkInterfaces.update(ctx.db, changed);
    return { vpcId: present.vpcId, assigned: fresh };
  });
  await applyVpcNetwork(ctx, vpcId);
  return { NetworkInterfaceId, AssignedIpv6Addresses: [...assigned], AssignedIpv6Prefixes: [] };
}
