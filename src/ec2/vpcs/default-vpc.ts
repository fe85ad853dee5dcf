import { overlaps, parseCidr, subBlock, formatCidr } from '../../core/cidr.ts';
import { HostError } from '../../core/errors.ts';
import { newId, type VpcId } from '../../core/ids.ts';
import { hostNetworks, UPLINK_POOL } from '../../host/link/uplink.ts';
import { transact } from '../../store/database.ts';
import {
  securityGroups,
  subnets,
  vpcs,
  type IpPermission,
  type Subnet,
  type Vpc,
} from '../../store/network.ts';
import type { Ec2Context } from '../context.ts';

/** EC2's own block first; the others are for hosts that use it themselves (a VPN, Docker, an EC2 instance). */
const CANDIDATES = [
  '172.31.0.0/16',
  '172.30.0.0/16',
  '172.29.0.0/16',
  '10.131.0.0/16',
  '10.199.0.0/16',
  '10.223.0.0/16',
];
const ZONES = ['a', 'b', 'c'];

/**
 * The default VPC with its subnets, made at first use: a /16, a /20 subnet per zone, a default security group, and
 * an internet gateway unless BONAMI_INTERNET=off (AWS: "Default VPCs"). Two callers at once get the same one.
 */
export async function ensureDefaultVpc(
  ctx: Ec2Context,
): Promise<{ readonly vpc: Vpc; readonly subnets: readonly Subnet[] }> {
  const existing = findDefaultVpc(ctx);
  if (existing) return { vpc: existing, subnets: subnets.listBy(ctx.db, 'vpc_id', existing.vpcId) };
  const cidrBlock = await freeBlock(ctx);
  return transact(ctx.db, () => {
    const vpc = findDefaultVpc(ctx) ?? recordDefaultVpc(ctx, cidrBlock);
    return { vpc, subnets: subnets.listBy(ctx.db, 'vpc_id', vpc.vpcId) };
  });
}

function findDefaultVpc({ db }: Ec2Context): Vpc | undefined {
  return vpcs.list(db).find(({ isDefault }) => isDefault);
}

async function freeBlock(ctx: Ec2Context): Promise<string> {
  const used = await hostNetworks();
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
  const closed = process.env['BONAMI_INTERNET'] === 'off';
  const vpc: Vpc = {
    vpcId: newId('vpc'),
    cidrBlock,
    isDefault: true,
    internetGatewayId: closed ? null : newId('internetGateway'),
  };
  vpcs.insert(db, vpc);
  ZONES.forEach((zone, index) =>
    subnets.insert(db, {
      subnetId: newId('subnet'),
      vpcId: vpc.vpcId,
      cidrBlock: formatCidr(subBlock(parseCidr(cidrBlock), 20, index)),
      availabilityZone: `${region}${zone}`,
      defaultForAz: true,
    }),
  );
  recordDefaultGroup({ db }, vpc.vpcId);
  return vpc;
}

/** EC2's default group lets its members talk to each other; ours also lets this host in, for `bonami ssh`. */
function recordDefaultGroup({ db }: Pick<Ec2Context, 'db'>, vpcId: VpcId): void {
  const groupId = newId('securityGroup');
  const thisHost = { ipRanges: [{ cidrIp: UPLINK_POOL, description: 'this host' }], userIdGroupPairs: [] };
  securityGroups.insert(db, {
    groupId,
    groupName: 'default',
    description: 'default VPC security group',
    vpcId,
    ipPermissions: [
      {
        ipProtocol: '-1',
        fromPort: null,
        toPort: null,
        ipRanges: [],
        userIdGroupPairs: [{ groupId, description: null }],
      },
      { ipProtocol: 'tcp', fromPort: 22, toPort: 22, ...thisHost },
      { ipProtocol: 'icmp', fromPort: -1, toPort: -1, ...thisHost },
    ],
    ipPermissionsEgress: [everythingOut()],
  });
}

/** What every new group allows out. */
export function everythingOut(): IpPermission {
  return {
    ipProtocol: '-1',
    fromPort: null,
    toPort: null,
    ipRanges: [{ cidrIp: '0.0.0.0/0', description: null }],
    userIdGroupPairs: [],
  };
}
