import type { NatGateway as Ec2NatGateway } from '@aws-sdk/client-ec2';
import { addresses } from '../../store/addresses.ts';
import type { NatGateway } from '../../store/gateways.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { ec2Tags } from '../tags/ec2-tags.ts';

/** EC2's NatGateway. */
export function ec2NatGateway({ db }: Ec2Context, gateway: NatGateway): Ec2NatGateway {
  const address = addresses.get(db, gateway.allocationId);
  return {
    NatGatewayId: gateway.natGatewayId,
    VpcId: gateway.vpcId,
    SubnetId: gateway.subnetId,
    State: 'available',
    ConnectivityType: 'public',
    CreateTime: new Date(gateway.createTime),
    NatGatewayAddresses: [
      {
        AllocationId: gateway.allocationId,
        AssociationId: address?.association?.associationId,
        NetworkInterfaceId: gateway.networkInterfaceId,
        PrivateIp: networkInterfaces.get(db, gateway.networkInterfaceId)?.privateIpAddress,
        PublicIp: address?.publicIp,
        IsPrimary: true,
        Status: 'succeeded',
      },
    ],
    Tags: ec2Tags(db, gateway.natGatewayId),
  };
}
