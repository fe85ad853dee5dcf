import { Ec2Error } from '../../core/errors.ts';
import { addresses, type Address } from '../../store/addresses.ts';
import type { Db } from '../../store/database.ts';
import { recordOf } from '../resource-kinds.ts';

export interface AddressReference {
  readonly AllocationId?: string | undefined;
  readonly PublicIp?: string | undefined;
}

/** The elastic address that a request is about. Throws `InvalidAllocationID.NotFound` or `InvalidAddress.NotFound`. */
export function addressOfRequest(db: Db, { AllocationId, PublicIp }: AddressReference): Address {
  if (AllocationId !== undefined && PublicIp !== undefined)
    throw new Ec2Error(
      'InvalidParameterCombination',
      'You may specify public IP or allocation id, but not both in the same call',
    );
  if (AllocationId !== undefined) return recordOf(db, 'address', AllocationId);
  if (PublicIp === undefined)
    throw new Ec2Error('MissingParameter', 'Either public IP or allocation id must be specified', {
      hint: 'bonami eip ls',
    });
  const [found] = addresses.listBy(db, 'public_ip', PublicIp);
  if (found === undefined)
    throw new Ec2Error('InvalidAddress.NotFound', `Address '${PublicIp}' not found.`, {
      hint: 'bonami eip ls',
    });
  return found;
}
