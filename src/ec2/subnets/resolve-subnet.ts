import { Ec2Error } from '../../core/errors.ts';
import type { VpcId } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { subnets, type Subnet } from '../../store/vpcs.ts';
import { freeAddressCount } from '../network-interfaces/allocate-private-address.ts';
import { recordOf } from '../resource-kinds.ts';

/** The subnet of this id, or the first default subnet of the VPC that has an address left. */
export function resolveSubnet(
  db: Db,
  { vpcId, reference }: { readonly vpcId: VpcId; readonly reference: string | undefined },
): Subnet {
  if (reference !== undefined) return recordOf(db, 'subnet', reference);
  const candidates = subnets.listBy(db, 'vpc_id', vpcId).filter(({ defaultForAz }) => defaultForAz);
  const subnet = candidates.find((each) => freeAddressCount(db, each) > 0) ?? candidates[0];
  if (subnet === undefined)
    throw new Ec2Error('MissingInput', `No default subnet in '${vpcId}'`, { hint: 'bonami subnet ls' });
  return subnet;
}
