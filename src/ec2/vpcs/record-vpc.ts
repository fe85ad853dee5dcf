import { randomBytes } from 'node:crypto';
import { newId, type InternetGatewayId, type RouteTableId, type VpcId } from '../../core/ids.ts';
import { blocksOverlap, canonicalBlock } from '../../core/ip.ts';
import { UPLINK_POOL } from '../../host/link/uplink.ts';
import type { Db } from '../../store/database.ts';
import { networkAcls, type NetworkAclEntry } from '../../store/network-acls.ts';
import { routeTables } from '../../store/route-tables.ts';
import { securityGroups, type SecurityGroupRule } from '../../store/security-groups.ts';
import { vpcs, type Vpc } from '../../store/vpcs.ts';

export interface NewVpc {
  readonly cidrBlock: string;
  readonly ipv6: Vpc['ipv6'];
  readonly isDefault: boolean;
}

/**
 * Records a VPC with what every VPC has from the start: a main route table with nothing but the local routes, a
 * default network ACL that lets everything pass, a default security group (AWS: CreateVpc). Inside a transaction.
 */
export function recordVpc(db: Db, { cidrBlock, ipv6, isDefault }: NewVpc): Vpc {
  const vpcId = newId('vpc');
  const routeTableId = newId('routeTable');
  const vpc: Vpc = {
    vpcId,
    cidrBlock,
    ipv6,
    isDefault,
    dhcpOptionsId: null,
    enableDnsSupport: true,
    // AWS: ModifyVpcAttribute: host names are on in the default VPC only.
    enableDnsHostnames: isDefault,
    mainRouteTable: { associationId: newId('routeTableAssociation'), routeTableId },
  };
  vpcs.insert(db, vpc);
  routeTables.insert(db, { routeTableId, vpcId, routes: [] });
  networkAcls.insert(db, {
    networkAclId: newId('networkAcl'),
    vpcId,
    isDefault: true,
    entries: [...passEverything(4), ...(ipv6 === null ? [] : passEverything(6))],
  });
  recordDefaultGroup(db, vpc);
  return vpc;
}

/** Sends what leaves a VPC through a gateway, as the default VPC does. Inside a transaction. */
export function recordDefaultRoute(
  db: Db,
  {
    vpcId,
    routeTableId,
    internetGatewayId,
  }: {
    readonly vpcId: VpcId;
    readonly routeTableId: RouteTableId;
    readonly internetGatewayId: InternetGatewayId;
  },
): void {
  const target = { kind: 'internetGateway', id: internetGatewayId } as const;
  routeTables.update(db, { routeTableId, vpcId, routes: [{ destination: '0.0.0.0/0', target }] });
}

/** The entries of a default ACL: rule 100 for IPv4 and 101 for IPv6 (AWS: "Default network ACL"). */
export function passEverything(family: 4 | 6): NetworkAclEntry[] {
  return [false, true].map((egress) => ({
    ruleNumber: family === 4 ? 100 : 101,
    egress,
    ruleAction: 'allow',
    protocol: '-1',
    cidrBlock: family === 4 ? '0.0.0.0/0' : '::/0',
    portRange: null,
    icmpTypeCode: null,
  }));
}

/** What every new group allows out (AWS: "Default security groups"); `::/0` where the VPC has IPv6. */
export function everythingOut({ ipv6 }: Pick<Vpc, 'ipv6'>): SecurityGroupRule[] {
  return [outTo({ kind: 'ipv4', cidr: '0.0.0.0/0' }), ...(ipv6 === null ? [] : [everythingOut6()])];
}

export function everythingOut6(): SecurityGroupRule {
  return outTo({ kind: 'ipv6', cidr: '::/0' });
}

function outTo(peer: SecurityGroupRule['peer']): SecurityGroupRule {
  return { ...everything(), isEgress: true, peer };
}

function everything(): Omit<SecurityGroupRule, 'peer' | 'isEgress'> {
  return {
    securityGroupRuleId: newId('securityGroupRule'),
    ipProtocol: '-1',
    fromPort: null,
    toPort: null,
    description: null,
  };
}

/** EC2's default group lets its members talk to each other; ours also lets this host in, for `bonami ssh`. */
function recordDefaultGroup(db: Db, vpc: Vpc): void {
  const groupId = newId('securityGroup');
  const fromThisHost = (traffic: Pick<SecurityGroupRule, 'ipProtocol' | 'fromPort' | 'toPort'>) => ({
    ...everything(),
    ...traffic,
    isEgress: false,
    peer: { kind: 'ipv4', cidr: UPLINK_POOL } as const,
    description: 'this host',
  });
  securityGroups.insert(db, {
    groupId,
    groupName: 'default',
    description: 'default VPC security group',
    vpcId: vpc.vpcId,
    rules: [
      { ...everything(), isEgress: false, peer: { kind: 'group', groupId, vpcPeeringConnectionId: null } },
      fromThisHost({ ipProtocol: 'tcp', fromPort: 22, toPort: 22 }),
      fromThisHost({ ipProtocol: 'icmp', fromPort: -1, toPort: -1 }),
      ...everythingOut(vpc),
    ],
  });
}

/** Where EC2 answers under IPv6 (AWS: "Access instance metadata"). */
const EC2_OWN = 'fd00:ec2::/32';

/** A random /56 of unique local addresses (RFC 4193) that no VPC has. Inside the transaction that records it. */
export function newIpv6Block(db: Db): NonNullable<Vpc['ipv6']> {
  const used = [EC2_OWN, ...vpcs.list(db).flatMap(({ ipv6 }) => ipv6?.cidrBlock ?? [])];
  for (;;) {
    const groups = randomBytes(6).toString('hex').match(/.{4}/g) ?? [];
    const [first = '', ...others] = groups;
    const last = randomBytes(1).toString('hex');
    const cidrBlock = canonicalBlock(`fd${first.slice(2)}:${others.join(':')}:${last}00::/56`);
    if (!used.some((each) => blocksOverlap(each, cidrBlock)))
      return { associationId: newId('vpcCidrAssociation'), cidrBlock };
  }
}
