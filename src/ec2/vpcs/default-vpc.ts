import { overlaps, parseCidr, subBlock, formatCidr } from '../../core/cidr.ts';
import { HostError } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { OWN_NAMESPACE } from '../../host/link/namespace.ts';
import { hostNetworks } from '../../host/link/uplink.ts';
import { transact, type Db } from '../../store/database.ts';
import { internetGateways } from '../../store/gateways.ts';
import { subnets, vpcs, type Subnet, type Vpc } from '../../store/vpcs.ts';
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
 * The default VPC with its subnets, made at first use: a /16, a /20 subnet per zone, a default security group, and
 * an internet gateway unless BONAMI_INTERNET=off (AWS: "Default VPCs"). Two callers at once get the same one.
 */
export async function ensureDefaultVpc(
  ctx: Ec2Context,
): Promise<{ readonly vpc: Vpc; readonly subnets: readonly Subnet[] }> {
  const existing = findDefaultVpc(ctx.db);
  if (existing) return { vpc: existing, subnets: subnets.listBy(ctx.db, 'vpc_id', existing.vpcId) };
  const cidrBlock = await freeBlock(ctx);
  return transact(ctx.db, () => {
    const vpc = findDefaultVpc(ctx.db) ?? recordDefaultVpc(ctx, cidrBlock);
    return { vpc, subnets: subnets.listBy(ctx.db, 'vpc_id', vpc.vpcId) };
  });
}

export function findDefaultVpc(db: Db): Vpc | undefined {
  return vpcs.listBy(db, 'is_default', 1)[0];
}

async function freeBlock(ctx: Ec2Context): Promise<string> {
  // The host's own, whatever networks stand on: what it reaches instances shall reach too.
  const used = await hostNetworks(OWN_NAMESPACE);
  const free = CANDIDATES.find((candidate) => !used.some(({ cidr }) => overlaps(cidr, parseCidr(candidate))));
  if (free === undefined)
    throw new HostError('NoFreeNetwork', `this host uses all of ${CANDIDATES.join(', ')} itself`, {
      hint: 'ip route',
    });
  if (free !== CANDIDATES[0])
    ctx.report.info(`this host uses ${CANDIDATES[0]} itself, so the default VPC is ${free}`);
  return free;
}

function recordDefaultVpc({ db, region }: Ec2Context, cidrBlock: string): Vpc {
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
