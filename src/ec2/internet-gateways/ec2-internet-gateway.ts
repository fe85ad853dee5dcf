import type { InternetGateway as Ec2InternetGateway } from '@aws-sdk/client-ec2';
import type { InternetGateway } from '../../store/gateways.ts';
import type { Ec2Context } from '../context.ts';
import { ec2Tags } from '../tags/ec2-tags.ts';

/** EC2's InternetGateway; an attached one's state is `available`, not `attached` (AWS: InternetGatewayAttachment). */
export function ec2InternetGateway(
  { db, ownerId }: Ec2Context,
  { internetGatewayId, vpcId }: InternetGateway,
): Ec2InternetGateway {
  return {
    InternetGatewayId: internetGatewayId,
    // The type knows the states of other attachments only.
    Attachments: vpcId === null ? [] : [{ VpcId: vpcId, State: 'available' as 'attached' }],
    OwnerId: ownerId,
    Tags: ec2Tags(db, internetGatewayId),
  };
}
