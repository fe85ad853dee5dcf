import type { CreateVpcRequest, CreateVpcResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { blockContains, blocksOverlap, prefixOf, UNUSABLE_IPV4 } from '../../core/ip.ts';
import { addresses } from '../../store/addresses.ts';
import { transact, type Db } from '../../store/database.ts';
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
    refuseElasticAddresses(ctx.db, cidrBlock);
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
  const special = UNUSABLE_IPV4.find((each) => blocksOverlap(each, block));
  if (prefix < 16 || prefix > 28 || special !== undefined)
    throw new Ec2Error('InvalidVpc.Range', `The CIDR '${text}' is invalid.`, {
      hint:
        special === undefined
          ? 'a block between /16 and /28, like 10.0.0.0/16'
          : `${special} is no network of machines; a block like 10.0.0.0/16`,
    });
  return block;
}

/** An elastic address would be in the VPC twice: as itself, and as what stands for another one. */
function refuseElasticAddresses(db: Db, block: string): void {
  const inside = addresses.list(db).find(({ publicIp }) => blockContains(block, publicIp));
  if (inside)
    throw new Ec2Error(
      'InvalidVpc.Range',
      `The CIDR '${block}' has the elastic address ${inside.publicIp} in it.`,
      {
        hint: `bonami eip release ${inside.publicIp}, or another block`,
      },
    );
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
