import { overlaps, parseCidr, subBlock, formatCidr } from '../../core/cidr.ts';
import { Ec2Error, HostError } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { OWN_NAMESPACE } from '../../host/link/namespace.ts';
import { hostNetworks } from '../../host/link/uplink.ts';
import { transact, type Db } from '../../store/database.ts';
import { internetGateways } from '../../store/gateways.ts';
import { isReached, reach } from '../../store/milestones.ts';
import { vpcs, type Vpc } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { recordSubnet, ZONES } from '../subnets/record-subnet.ts';
import { recordDefaultRoute, recordVpc } from './record-vpc.ts';

/** EC2's own block first; the others are for hosts that use it themselves (a VPN, Docker, an EC2 instance). */
const CANDIDATES = [
  '172.31.0.0/16',
  '172.30.0.0/16',
  '172.29.0.0/16',
  '10.131.0.0/16',
  '10.199.0.0/16',
  '10.223.0.0/16',
];

/**
 * The default VPC, made at a home's first use of it. Once deleted it stays away until CreateDefaultVpc makes another
 * (AWS: "Delete your default subnets and default VPC"). Two callers at once get the same one.
 */
export async function ensureDefaultVpc(ctx: Ec2Context): Promise<Vpc | undefined> {
  const existing = findDefaultVpc(ctx.db);
  if (existing !== undefined) return existing;
  // Asked again: another command may have made it in between.
  if (isReached(ctx.db, 'default-vpc')) return findDefaultVpc(ctx.db);
  const cidrBlock = await defaultBlock();
  return transact(ctx.db, () => {
    const present = findDefaultVpc(ctx.db);
    if (present !== undefined || isReached(ctx.db, 'default-vpc')) return present;
    return recordDefaultVpc(ctx, cidrBlock);
  });
}

/** The same for what cannot do without. Throws `VPCIdNotSpecified`. */
export async function requireDefaultVpc(ctx: Ec2Context): Promise<Vpc> {
  await ensureDefaultVpc(ctx);
  return presentDefaultVpc(ctx.db);
}

/** The default VPC that is recorded. Throws `VPCIdNotSpecified`. */
export function presentDefaultVpc(db: Db): Vpc {
  const vpc = findDefaultVpc(db);
  if (vpc === undefined)
    throw new Ec2Error('VPCIdNotSpecified', 'No default VPC for this user.', {
      hint: 'bonami vpc create --default',
    });
  return vpc;
}

export function findDefaultVpc(db: Db): Vpc | undefined {
  return vpcs.listBy(db, 'is_default', 1)[0];
}

/** A block for a default VPC that this host does not use itself. */
export async function defaultBlock(): Promise<string> {
  // The host's own, whatever networks stand on: what it reaches instances shall reach too.
  const used = await hostNetworks(OWN_NAMESPACE);
  const free = CANDIDATES.find((candidate) => !used.some(({ cidr }) => overlaps(cidr, parseCidr(candidate))));
  if (free === undefined)
    throw new HostError('NoFreeNetwork', `this host uses all of ${CANDIDATES.join(', ')} itself`, {
      hint: 'ip route',
    });
  return free;
}

/**
 * Records a default VPC: a /20 subnet per zone, a default security group, and an internet gateway unless
 * BONAMI_INTERNET=off (AWS: "Default VPCs"). Call it inside a transaction.
 */
export function recordDefaultVpc(ctx: Ec2Context, cidrBlock: string): Vpc {
  const { db, region } = ctx;
  if (cidrBlock !== CANDIDATES[0])
    ctx.report.info(`this host uses ${CANDIDATES[0]} itself, so the default VPC is ${cidrBlock}`);
  reach(db, 'default-vpc');
  const vpc = recordVpc(db, { cidrBlock, ipv6: null, isDefault: true });
  if (process.env['BONAMI_INTERNET'] !== 'off') {
    const internetGatewayId = newId('internetGateway');
    internetGateways.insert(db, { internetGatewayId, vpcId: vpc.vpcId });
    const { routeTableId } = vpc.mainRouteTable;
    recordDefaultRoute(db, { vpcId: vpc.vpcId, routeTableId, internetGatewayId });
  }
  ZONES.forEach((zone, index) =>
    recordSubnet(db, {
      vpc,
      cidrBlock: formatCidr(subBlock(parseCidr(cidrBlock), 20, index)),
      ipv6: null,
      availabilityZone: `${region}${zone}`,
      defaultForAz: true,
    }),
  );
  return vpc;
}
