import type { Address as Ec2Address } from '@aws-sdk/client-ec2';
import type { Address } from '../../store/addresses.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { ec2Tags } from '../tags/ec2-tags.ts';
import type { Reach } from './reach.ts';

/** What bonami adds to EC2's Address. */
export interface ShownAddress extends Ec2Address {
  readonly Bonami: {
    /** From where it is reached: this host only, the networks that it has links to, or as the host itself. */
    readonly Reach: Reach;
  };
}

/** An elastic address as EC2's DescribeAddresses shows it. */
export function ec2Address(
  { db, ownerId, region }: Pick<Ec2Context, 'db' | 'ownerId' | 'region'>,
  { allocationId, publicIp, association, reach }: Address,
): ShownAddress {
  const holder = association && networkInterfaces.get(db, association.networkInterfaceId);
  return {
    PublicIp: publicIp,
    AllocationId: allocationId,
    Domain: 'vpc',
    PublicIpv4Pool: 'amazon',
    NetworkBorderGroup: region,
    ...(association
      ? {
          AssociationId: association.associationId,
          NetworkInterfaceId: association.networkInterfaceId,
          NetworkInterfaceOwnerId: ownerId,
          PrivateIpAddress: association.privateIpAddress,
          InstanceId: holder?.attachment?.instanceId ?? '',
        }
      : {}),
    Tags: ec2Tags(db, allocationId),
    Bonami: { Reach: reach },
  };
}
