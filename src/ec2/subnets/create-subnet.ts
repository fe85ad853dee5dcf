import type { CreateSubnetRequest, CreateSubnetResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { putTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { specifiedTags } from '../tags/ec2-tags.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { ec2Subnet } from './ec2-subnet.ts';
import { recordSubnet, ZONES } from './record-subnet.ts';
import { checkedIpv6SubnetBlock, checkedSubnetBlock } from './subnet-blocks.ts';

/**
 * EC2's CreateSubnet, in the first zone unless told otherwise. Throws `InvalidSubnet.Range`,
 * `InvalidSubnet.Conflict`, `InvalidVpcID.NotFound`.
 */
export async function createSubnet(
  ctx: Ec2Context,
  request: CreateSubnetRequest,
): Promise<CreateSubnetResult> {
  const { VpcId = '', CidrBlock, Ipv6CidrBlock, Ipv6Native = false } = request;
  if (CidrBlock === undefined && Ipv6CidrBlock === undefined)
    throw new Ec2Error('MissingParameter', "Either 'cidrBlock' or 'ipv6CidrBlock' should be provided.", {
      hint: 'bonami subnet create VPC 10.0.0.0/24',
    });
  if (CidrBlock === undefined || Ipv6Native)
    throw new Ec2Error('UnsupportedOperation', 'Subnets of IPv6 alone are not supported', {
      hint: 'an IPv4 block beside the IPv6 one',
    });
  const availabilityZone = checkedZone(ctx, request);
  const tags = specifiedTags(request.TagSpecifications, 'subnet');
  const subnet = transact(ctx.db, () => {
    const vpc = recordOf(ctx.db, 'vpc', VpcId);
    const made = recordSubnet(ctx.db, {
      vpc,
      cidrBlock: checkedSubnetBlock(ctx.db, vpc, CidrBlock),
      ipv6:
        Ipv6CidrBlock === undefined
          ? null
          : {
              associationId: newId('subnetCidrAssociation'),
              cidrBlock: checkedIpv6SubnetBlock(ctx.db, vpc, Ipv6CidrBlock),
            },
      availabilityZone,
      defaultForAz: false,
    });
    putTags(ctx.db, made.subnetId, tags);
    endDryRun(request);
    return made;
  });
  await applyVpcNetwork(ctx, subnet.vpcId);
  return { Subnet: ec2Subnet(ctx, subnet) };
}

function checkedZone(
  { region }: Ec2Context,
  { AvailabilityZone, AvailabilityZoneId }: CreateSubnetRequest,
): string {
  const zones = ZONES.map((zone) => `${region}${zone}`);
  const wanted = AvailabilityZone ?? AvailabilityZoneId ?? zones[0] ?? '';
  if (!zones.includes(wanted))
    throw new Ec2Error(
      'InvalidParameterValue',
      `Value (${wanted}) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: ${zones.join(', ')}.`,
      { hint: `--zone ${ZONES[0]}` },
    );
  return wanted;
}
