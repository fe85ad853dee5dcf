import type { ReleaseAddressRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { addresses } from '../../store/addresses.ts';
import { transact } from '../../store/database.ts';
import { removeTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { addressOfRequest } from './address-of-request.ts';

/** EC2's ReleaseAddress. Throws `InvalidIPAddress.InUse` while it is associated, with a NAT gateway too. */
export function releaseAddress(ctx: Ec2Context, request: ReleaseAddressRequest): Record<string, never> {
  transact(ctx.db, () => {
    const { allocationId, association, publicIp } = addressOfRequest(ctx.db, request);
    if (association)
      throw new Ec2Error(
        'InvalidIPAddress.InUse',
        `Address ${publicIp} is in use: ${association.networkInterfaceId} has it.`,
        { hint: `bonami eip disassociate ${publicIp}` },
      );
    removeTags(ctx.db, allocationId);
    addresses.remove(ctx.db, allocationId);
    endDryRun(request);
  });
  return {};
}
