import { Ec2Error } from '../../core/errors.ts';
import { isId, type VpcId } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { subnets, type Subnet } from '../../store/network.ts';
import { freeAddressCount } from '../network-interfaces/allocate-address.ts';

/** The named subnet, or the first default subnet of the VPC that has an address left. */
export function resolveSubnet(
  db: Db,
  { vpcId, reference }: { readonly vpcId: VpcId; readonly reference: string | undefined },
): Subnet {
  if (reference !== undefined) {
    if (!isId('subnet', reference))
      throw new Ec2Error('InvalidSubnetID.Malformed', `Invalid id: '${reference}'`, {
        hint: 'bonami subnet ls',
      });
    const subnet = subnets.get(db, reference);
    if (subnet === undefined)
      throw new Ec2Error('InvalidSubnetID.NotFound', `The subnet ID '${reference}' does not exist`, {
        hint: 'bonami subnet ls',
      });
    return subnet;
  }
  const candidates = subnets.listBy(db, 'vpc_id', vpcId).filter(({ defaultForAz }) => defaultForAz);
  const subnet = candidates.find((each) => freeAddressCount(db, each) > 0) ?? candidates[0];
  if (subnet === undefined)
    throw new Ec2Error('MissingInput', `No default subnet in '${vpcId}'`, { hint: 'bonami subnet ls' });
  return subnet;
}
