import * as z from 'zod';
import { Ec2Error } from '../core/errors.ts';
import { idOf } from './schemas.ts';
import { table } from './table.ts';

const address = z.strictObject({
  allocationId: idOf('address'),
  publicIp: z.string(),
  /** The address under which the host passes it on: another one where `publicIp` is the host's own. */
  carrierIp: z.string(),
  /**
   * Who answers for it: `host`, reached from this host only; `lan`, an address of a network that the host has a link
   * to; `own`, an address of the host itself.
   */
  reach: z.enum(['host', 'lan', 'own']),
  association: z
    .strictObject({
      associationId: idOf('addressAssociation'),
      networkInterfaceId: idOf('networkInterface'),
      privateIpAddress: z.string(),
    })
    .nullable(),
});

/** EC2's Address: an elastic IP. */
export type Address = z.infer<typeof address>;

export const addresses = table<Address>({
  name: 'addresses',
  schema: address,
  id: ({ allocationId }) => allocationId,
  columns: ({ publicIp, carrierIp, association }) => ({
    public_ip: publicIp,
    carrier_ip: carrierIp,
    interface_id: association?.networkInterfaceId ?? null,
    private_ip: association?.privateIpAddress ?? null,
  }),
  duplicate: ({ publicIp }, constraint) =>
    /private_ip/.test(constraint)
      ? new Ec2Error('Resource.AlreadyAssociated', 'The private address already has an elastic IP', {
          hint: 'bonami eip disassociate',
        })
      : new Ec2Error('InvalidAddress.InUse', `The address ${publicIp} is already allocated`, {
          hint: 'bonami eip ls',
        }),
});
