import type { DisassociateAddressRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { VpcId } from '../../core/ids.ts';
import { addresses, type Address } from '../../store/addresses.ts';
import { transact, type Db } from '../../store/database.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { addressOfRequest } from './address-of-request.ts';

/**
 * EC2's DisassociateAddress, by the association's id or by the address; it stays allocated. Of an address without an
 * association it is done already. Throws `InvalidAssociationID.NotFound`.
 */
export async function disassociateAddress(
  ctx: Ec2Context,
  request: DisassociateAddressRequest,
): Promise<Record<string, never>> {
  const vpcId = transact(ctx.db, () => {
    const left = disassociate(ctx.db, addressWithAssociation(ctx.db, request));
    endDryRun(request);
    return left;
  });
  if (vpcId !== undefined) await applyVpcNetwork(ctx, vpcId);
  return {};
}

/** The VPC that it left. Throws `AuthFailure` for a NAT gateway's, which is the gateway's own. */
function disassociate(db: Db, address: Address): VpcId | undefined {
  const holder = address.association && networkInterfaces.get(db, address.association.networkInterfaceId);
  if (holder?.interfaceType === 'nat_gateway')
    throw new Ec2Error(
      'AuthFailure',
      `You do not have permission to access the specified resource: a NAT gateway has '${address.allocationId}'.`,
      { hint: 'bonami nat rm' },
    );
  addresses.update(db, { ...address, association: null });
  return holder?.vpcId;
}

function addressWithAssociation(db: Db, { AssociationId, PublicIp }: DisassociateAddressRequest): Address {
  if (AssociationId === undefined) return addressOfRequest(db, { PublicIp });
  const found = addresses.list(db).find(({ association }) => association?.associationId === AssociationId);
  if (found === undefined)
    throw new Ec2Error(
      'InvalidAssociationID.NotFound',
      `The association ID '${AssociationId}' does not exist`,
      { hint: 'bonami eip ls' },
    );
  return found;
}
