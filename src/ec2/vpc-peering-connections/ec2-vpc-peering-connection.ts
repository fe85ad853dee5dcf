import type { VpcPeeringConnection as Ec2Peering, VpcPeeringConnectionVpcInfo } from '@aws-sdk/client-ec2';
import type { VpcPeeringConnection } from '../../store/gateways.ts';
import { vpcs } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { ec2Tags } from '../tags/ec2-tags.ts';

/** AWS: "Create a VPC peering connection": a request expires after seven days; ours only says so. */
const EXPIRES_AFTER_MS = 7 * 24 * 60 * 60 * 1000;

/** EC2's VpcPeeringConnection. */
export function ec2VpcPeeringConnection(ctx: Ec2Context, peering: VpcPeeringConnection): Ec2Peering {
  const { vpcPeeringConnectionId, requesterVpcId, accepterVpcId, status, createTime } = peering;
  return {
    VpcPeeringConnectionId: vpcPeeringConnectionId,
    RequesterVpcInfo: vpcInfo(ctx, requesterVpcId),
    AccepterVpcInfo: vpcInfo(ctx, accepterVpcId),
    Status: { Code: status, Message: statusMessage(ctx, peering) },
    ...(status === 'active'
      ? {}
      : { ExpirationTime: new Date(new Date(createTime).getTime() + EXPIRES_AFTER_MS) }),
    Tags: ec2Tags(ctx.db, vpcPeeringConnectionId),
  };
}

export function statusMessage({ ownerId }: Ec2Context, { status }: VpcPeeringConnection): string {
  return status === 'active' ? 'Active' : `Pending Acceptance by ${ownerId}`;
}

function vpcInfo({ db, ownerId, region }: Ec2Context, vpcId: string): VpcPeeringConnectionVpcInfo {
  const vpc = vpcs.get(db, vpcId);
  return {
    VpcId: vpcId,
    OwnerId: ownerId,
    Region: region,
    CidrBlock: vpc?.cidrBlock,
    CidrBlockSet: vpc === undefined ? [] : [{ CidrBlock: vpc.cidrBlock }],
    Ipv6CidrBlockSet: vpc?.ipv6 == null ? [] : [{ Ipv6CidrBlock: vpc.ipv6.cidrBlock }],
    PeeringOptions: {
      AllowDnsResolutionFromRemoteVpc: false,
      AllowEgressFromLocalClassicLinkToRemoteVpc: false,
      AllowEgressFromLocalVpcToRemoteClassicLink: false,
    },
  };
}
