import type { AssociateVpcCidrBlockRequest, AssociateVpcCidrBlockResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { VpcId } from '../../core/ids.ts';
import { transact, type Db } from '../../store/database.ts';
import { networkAcls, type NetworkAcl } from '../../store/network-acls.ts';
import { securityGroups } from '../../store/security-groups.ts';
import { vpcs } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from './network.ts';
import { everythingOut6, newIpv6Block, passEverything } from './record-vpc.ts';

/**
 * EC2's AssociateVpcCidrBlock, for IPv6: a /56 of unique local addresses. Default rules that let IPv4 pass get their
 * IPv6 counterparts (AWS: "Default network ACL", "Default security groups"). Throws `CidrLimitExceeded` when the VPC
 * has an IPv6 block, `UnsupportedOperation` for a second IPv4 block.
 */
export async function associateVpcCidrBlock(
  ctx: Ec2Context,
  { VpcId = '', AmazonProvidedIpv6CidrBlock = false, CidrBlock }: AssociateVpcCidrBlockRequest,
): Promise<AssociateVpcCidrBlockResult> {
  const { vpcId } = recordOf(ctx.db, 'vpc', VpcId);
  if (CidrBlock !== undefined || !AmazonProvidedIpv6CidrBlock)
    throw new Ec2Error('UnsupportedOperation', 'A VPC has one IPv4 block, and one IPv6 block of our choice', {
      hint: 'another VPC and a peering: bonami vpc create CIDR, bonami peering create',
    });
  const ipv6 = transact(ctx.db, () => {
    const vpc = recordOf(ctx.db, 'vpc', vpcId);
    if (vpc.ipv6 !== null)
      throw new Ec2Error(
        'CidrLimitExceeded',
        `This network '${vpcId}' has met its maximum number of allowed CIDRs: 1`,
        { hint: `it has ${vpc.ipv6.cidrBlock}` },
      );
    const block = newIpv6Block(ctx.db);
    vpcs.update(ctx.db, { ...vpc, ipv6: block });
    letIpv6Pass(ctx.db, vpcId);
    return block;
  });
  await applyVpcNetwork(ctx, vpcId);
  return {
    VpcId: vpcId,
    Ipv6CidrBlockAssociation: {
      AssociationId: ipv6.associationId,
      Ipv6CidrBlock: ipv6.cidrBlock,
      Ipv6CidrBlockState: { State: 'associated' },
      NetworkBorderGroup: ctx.region,
      Ipv6Pool: 'Amazon',
    },
  };
}

/** Rules that nobody has changed are widened; what somebody has made of them is left alone. */
function letIpv6Pass(db: Db, vpcId: VpcId): void {
  for (const acl of networkAcls.listBy(db, 'default_of', vpcId))
    if (isUntouched(acl)) networkAcls.update(db, { ...acl, entries: [...acl.entries, ...passEverything(6)] });
  for (const group of securityGroups.listBy(db, 'vpc_id', vpcId)) {
    const out = group.rules.filter(({ isEgress }) => isEgress);
    const [only] = out;
    if (out.length === 1 && only?.peer.kind === 'ipv4' && only.ipProtocol === '-1')
      securityGroups.update(db, { ...group, rules: [...group.rules, everythingOut6()] });
  }
}

function isUntouched({ entries }: NetworkAcl): boolean {
  return (
    JSON.stringify(entries.map(shape).toSorted()) === JSON.stringify(passEverything(4).map(shape).toSorted())
  );
}

function shape({
  ruleNumber,
  egress,
  ruleAction,
  protocol,
  cidrBlock,
}: NetworkAcl['entries'][number]): string {
  return [ruleNumber, egress, ruleAction, protocol, cidrBlock].join(' ');
}
