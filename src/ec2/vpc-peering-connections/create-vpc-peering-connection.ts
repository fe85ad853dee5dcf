import type {
  CreateVpcPeeringConnectionRequest,
  CreateVpcPeeringConnectionResult,
} from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { blocksOverlap } from '../../core/ip.ts';
import { transact, type Db } from '../../store/database.ts';
import { vpcPeeringConnections, type VpcPeeringConnection } from '../../store/gateways.ts';
import { putTags } from '../../store/tags.ts';
import type { Vpc } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { specifiedTags } from '../tags/ec2-tags.ts';
import { ec2VpcPeeringConnection } from './ec2-vpc-peering-connection.ts';

/**
 * EC2's CreateVpcPeeringConnection, which waits for its acceptance. Throws `VpcPeeringConnectionAlreadyExists`, and
 * `InvalidParameterValue` for overlapping VPCs: EC2 records such a connection as `failed`, with this sentence.
 */
export function createVpcPeeringConnection(
  ctx: Ec2Context,
  request: CreateVpcPeeringConnectionRequest,
): CreateVpcPeeringConnectionResult {
  const { VpcId = '', PeerVpcId } = request;
  if (PeerVpcId === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter peerVpcId', {
      hint: 'bonami vpc ls',
    });
  refuseElsewhere(ctx, request);
  const tags = specifiedTags(request.TagSpecifications, 'vpc-peering-connection');
  const peering = transact(ctx.db, () => {
    const requester = recordOf(ctx.db, 'vpc', VpcId);
    const accepter = recordOf(ctx.db, 'vpc', PeerVpcId);
    refuseOverlap(requester, accepter);
    refuseSecond(ctx.db, requester, accepter);
    const made: VpcPeeringConnection = {
      vpcPeeringConnectionId: newId('vpcPeeringConnection'),
      requesterVpcId: requester.vpcId,
      accepterVpcId: accepter.vpcId,
      status: 'pending-acceptance',
      createTime: ctx.now().toISOString(),
    };
    vpcPeeringConnections.insert(ctx.db, made);
    putTags(ctx.db, made.vpcPeeringConnectionId, tags);
    endDryRun(request);
    return made;
  });
  return { VpcPeeringConnection: ec2VpcPeeringConnection(ctx, peering) };
}

function refuseElsewhere(
  { region, ownerId }: Ec2Context,
  { PeerRegion = region, PeerOwnerId = ownerId }: CreateVpcPeeringConnectionRequest,
): void {
  if (PeerRegion !== region || PeerOwnerId !== ownerId)
    throw new Ec2Error('UnsupportedOperation', 'VPCs of other regions and accounts cannot be peered with', {
      hint: `region ${region}, account ${ownerId}`,
    });
}

function refuseOverlap(a: Vpc, b: Vpc): void {
  if (a.vpcId === b.vpcId || blocksOverlap(a.cidrBlock, b.cidrBlock))
    throw new Ec2Error(
      'InvalidParameterValue',
      `Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range: ${a.vpcId} has ${a.cidrBlock}, ${b.vpcId} has ${b.cidrBlock}`,
      { hint: 'VPCs with blocks of their own: bonami vpc ls' },
    );
}

function refuseSecond(db: Db, a: Vpc, b: Vpc): void {
  const pair = new Set([a.vpcId, b.vpcId]);
  const existing = vpcPeeringConnections
    .list(db)
    .find(({ requesterVpcId, accepterVpcId }) => pair.has(requesterVpcId) && pair.has(accepterVpcId));
  if (existing !== undefined)
    throw new Ec2Error(
      'VpcPeeringConnectionAlreadyExists',
      `A VPC peering connection between ${a.vpcId} and ${b.vpcId} already exists: ${existing.vpcPeeringConnectionId}`,
      {
        hint:
          existing.status === 'active'
            ? 'bonami peering ls'
            : `bonami peering accept ${existing.vpcPeeringConnectionId}`,
      },
    );
}
