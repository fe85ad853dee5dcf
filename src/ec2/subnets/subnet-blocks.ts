import { Ec2Error } from '../../core/errors.ts';
import { blocksOverlap, blockWithin, formatIpv6, parseCidr6, prefixOf } from '../../core/ip.ts';
import type { Db } from '../../store/database.ts';
import { subnets, type Vpc } from '../../store/vpcs.ts';
import { canonicalCidr } from '../vpcs/cidr-block.ts';

/**
 * A subnet's IPv4 block as it is recorded: from /16 to /28, inside its VPC's, no other subnet's. Throws
 * `InvalidSubnet.Range` or `InvalidSubnet.Conflict`.
 */
export function checkedSubnetBlock(db: Db, vpc: Vpc, text: string): string {
  const block = canonicalCidr(text, 'cidrBlock', 4);
  const prefix = prefixOf(block);
  if (prefix < 16 || prefix > 28 || !blockWithin(block, vpc.cidrBlock))
    throw new Ec2Error('InvalidSubnet.Range', `The CIDR '${text}' is invalid.`, {
      hint: `a block between /16 and /28 inside ${vpc.cidrBlock}`,
    });
  refuseConflict(
    block,
    subnets.listBy(db, 'vpc_id', vpc.vpcId).map(({ cidrBlock }) => cidrBlock),
  );
  return block;
}

/** A subnet's IPv6 block: a /64 inside its VPC's. Throws `InvalidSubnet.Range` or `InvalidSubnet.Conflict`. */
export function checkedIpv6SubnetBlock(db: Db, vpc: Vpc, text: string): string {
  const block = canonicalCidr(text, 'ipv6CidrBlock', 6);
  if (vpc.ipv6 === null)
    throw new Ec2Error('InvalidSubnet.Range', `The vpc '${vpc.vpcId}' has no IPv6 CIDR block`, {
      hint: `bonami vpc set ${vpc.vpcId} --ipv6 on`,
    });
  if (prefixOf(block) !== 64 || !blockWithin(block, vpc.ipv6.cidrBlock))
    throw new Ec2Error('InvalidSubnet.Range', `The CIDR '${text}' is invalid.`, {
      hint: `a /64 inside ${vpc.ipv6.cidrBlock}`,
    });
  refuseConflict(
    block,
    subnets.listBy(db, 'vpc_id', vpc.vpcId).flatMap(({ ipv6 }) => ipv6?.cidrBlock ?? []),
  );
  return block;
}

/** The first /64 of a VPC's IPv6 block that no subnet has; undefined when there is none. */
export function freeIpv6SubnetBlock(db: Db, { vpcId, ipv6 }: Vpc): string | undefined {
  if (ipv6 === null) return undefined;
  const taken = new Set(subnets.listBy(db, 'vpc_id', vpcId).map((each) => each.ipv6?.cidrBlock));
  const { network, prefix } = parseCidr6(ipv6.cidrBlock);
  for (let index = 0n; index < 1n << BigInt(64 - prefix); index++) {
    const block = `${formatIpv6(network + (index << 64n))}/64`;
    if (!taken.has(block)) return block;
  }
  return undefined;
}

function refuseConflict(block: string, others: readonly string[]): void {
  const other = others.find((each) => blocksOverlap(each, block));
  if (other !== undefined)
    throw new Ec2Error('InvalidSubnet.Conflict', `The CIDR '${block}' conflicts with another subnet`, {
      hint: `${other} is taken: bonami subnet ls`,
    });
}
