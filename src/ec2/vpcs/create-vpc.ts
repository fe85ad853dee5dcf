import type { CreateVpcRequest, CreateVpcResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { blocksOverlap, prefixOf, UNUSABLE_IPV4 } from '../../core/ip.ts';
import { transact } from '../../store/database.ts';
import { putTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { specifiedTags } from '../tags/ec2-tags.ts';
import { canonicalCidr } from './cidr-block.ts';
import { ec2Vpc } from './ec2-vpc.ts';
import { newIpv6Block, recordVpc } from './record-vpc.ts';

/**
 * EC2's CreateVpc: a block from /16 to /28, which other VPCs may have too. With `AmazonProvidedIpv6CidrBlock` also a
 * /56 of IPv6 addresses, which are unique local ones here. Throws `InvalidVpc.Range`.
 */
export async function createVpc(ctx: Ec2Context, request: CreateVpcRequest): Promise<CreateVpcResult> {
  const { CidrBlock, AmazonProvidedIpv6CidrBlock = false } = request;
  if (CidrBlock === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter cidrBlock', {
      hint: 'bonami vpc create 10.0.0.0/16',
    });
  refuseUnsupported(request);
  const cidrBlock = checkedBlock(CidrBlock);
  const tags = specifiedTags(request.TagSpecifications, 'vpc');
  const vpc = transact(ctx.db, () => {
    const ipv6 = AmazonProvidedIpv6CidrBlock ? newIpv6Block(ctx.db) : null;
    const made = recordVpc(ctx.db, { cidrBlock, ipv6, isDefault: false });
    putTags(ctx.db, made.vpcId, tags);
    endDryRun(request);
    return made;
  });
  return { Vpc: ec2Vpc(ctx, vpc) };
}

function checkedBlock(text: string): string {
  const block = canonicalCidr(text, 'cidrBlock', 4);
  const prefix = prefixOf(block);
  if (prefix < 16 || prefix > 28 || UNUSABLE_IPV4.some((each) => blocksOverlap(each, block)))
    throw new Ec2Error('InvalidVpc.Range', `The CIDR '${text}' is invalid.`, {
      hint: 'a block between /16 and /28, like 10.0.0.0/16',
    });
  return block;
}

function refuseUnsupported(request: CreateVpcRequest): void {
  const { InstanceTenancy = 'default', Ipv4IpamPoolId, Ipv6IpamPoolId, Ipv6CidrBlock, Ipv6Pool } = request;
  if (InstanceTenancy !== 'default')
    throw new Ec2Error('UnsupportedTenancy', `The tenancy value ${InstanceTenancy} is not supported.`, {
      hint: 'leave InstanceTenancy out',
    });
  if ((Ipv4IpamPoolId ?? Ipv6IpamPoolId ?? Ipv6CidrBlock ?? Ipv6Pool) !== undefined)
    throw new Ec2Error('UnsupportedOperation', 'Address pools (IPAM, BYOIP) are not supported', {
      hint: 'CidrBlock, and AmazonProvidedIpv6CidrBlock for IPv6',
    });
}
