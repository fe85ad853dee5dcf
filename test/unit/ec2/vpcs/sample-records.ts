// What is recorded of a VPC, made up for what is computed from it: no database is needed.
import { newId } from '../../../../src/core/ids.ts';
import { macOf } from '../../../../src/core/link-name.ts';
import type { Peering, PluggedInterface, VpcRecords } from '../../../../src/ec2/vpcs/vpc-records.ts';
import type { Address } from '../../../../src/store/addresses.ts';
import type { InternetGateway, NatGateway } from '../../../../src/store/gateways.ts';
import type { Instance } from '../../../../src/store/instances.ts';
import type { NetworkAcl, NetworkAclEntry } from '../../../../src/store/network-acls.ts';
import type { NetworkInterface } from '../../../../src/store/network-interfaces.ts';
import type { Route, RouteTable, RouteTarget } from '../../../../src/store/route-tables.ts';
import type { SecurityGroup, SecurityGroupRule } from '../../../../src/store/security-groups.ts';
import type { Subnet, Vpc } from '../../../../src/store/vpcs.ts';
import { sampleInstance } from '../../../support/sample-instance.ts';

const NOW = '2026-01-02T03:04:05.000Z';

export const MAIN: RouteTable = {
  routeTableId: newId('routeTable'),
  vpcId: newId('vpc'),
  routes: [],
};

export const VPC: Vpc = {
  vpcId: MAIN.vpcId,
  cidrBlock: '10.0.0.0/16',
  ipv6: null,
  isDefault: false,
  dhcpOptionsId: null,
  enableDnsSupport: true,
  enableDnsHostnames: true,
  mainRouteTable: { associationId: newId('routeTableAssociation'), routeTableId: MAIN.routeTableId },
};

export const DUAL: Vpc = {
  ...VPC,
  ipv6: { associationId: newId('vpcCidrAssociation'), cidrBlock: 'fd00:1:2:300::/56' },
};

export const OPEN_ACL: NetworkAcl = {
  networkAclId: newId('networkAcl'),
  vpcId: VPC.vpcId,
  isDefault: true,
  entries: [aclEntry({ egress: true }), aclEntry({ egress: false })],
};

export const FRONT = subnetOf('10.0.1.0/24', 'fd00:1:2:301::/64');
export const BACK = subnetOf('10.0.2.0/24', 'fd00:1:2:302::/64');
/** The same subnets without IPv6. */
export const SINGLE = [FRONT, BACK].map((each) => ({ ...each, ipv6: null }));

export const GATEWAY: InternetGateway = { internetGatewayId: newId('internetGateway'), vpcId: VPC.vpcId };

export function subnetOf(cidrBlock: string, ipv6CidrBlock?: string): Subnet {
  return {
    subnetId: newId('subnet'),
    vpcId: VPC.vpcId,
    cidrBlock,
    ipv6:
      ipv6CidrBlock === undefined
        ? null
        : { associationId: newId('subnetCidrAssociation'), cidrBlock: ipv6CidrBlock },
    availabilityZone: 'us-east-1a',
    defaultForAz: false,
    mapPublicIpOnLaunch: false,
    assignIpv6AddressOnCreation: false,
    routeTable: null,
    networkAcl: { associationId: newId('networkAclAssociation'), networkAclId: OPEN_ACL.networkAclId },
  };
}

/** A VPC of IPv4 with two subnets, an open ACL and nothing else. */
export function recordsOf(fields: Partial<VpcRecords> = {}): VpcRecords {
  return {
    vpc: VPC,
    subnets: SINGLE,
    routeTables: [MAIN],
    networkAcls: [OPEN_ACL],
    internetGateway: undefined,
    natGateways: [],
    groups: [],
    prefixLists: [],
    dhcpOptions: undefined,
    plugged: [],
    addresses: [],
    peerings: [],
    ...fields,
  };
}

export function aclEntry(fields: Partial<NetworkAclEntry> = {}): NetworkAclEntry {
  return {
    ruleNumber: 100,
    egress: false,
    ruleAction: 'allow',
    protocol: '-1',
    cidrBlock: '0.0.0.0/0',
    portRange: null,
    icmpTypeCode: null,
    ...fields,
  };
}

export function groupOf(
  rules: readonly Partial<SecurityGroupRule>[] = [],
  fields: Partial<SecurityGroup> = {},
): SecurityGroup {
  return {
    groupId: newId('securityGroup'),
    groupName: 'web',
    description: 'for a test',
    vpcId: VPC.vpcId,
    rules: rules.map((rule) => ({
      securityGroupRuleId: newId('securityGroupRule'),
      isEgress: false,
      ipProtocol: '-1',
      fromPort: null,
      toPort: null,
      peer: { kind: 'ipv4', cidr: '0.0.0.0/0' },
      description: null,
      ...rule,
    })),
    ...fields,
  };
}

export interface Plugging {
  readonly name?: string;
  readonly networkInterface?: Partial<NetworkInterface>;
  readonly instance?: Partial<Instance>;
  readonly deviceIndex?: number;
}

/** A running instance's interface in a subnet. */
export function plug(
  { subnetId, vpcId }: Pick<Subnet, 'subnetId' | 'vpcId'>,
  privateIpAddress: string,
  { name, networkInterface = {}, instance = {}, deviceIndex = 0 }: Plugging = {},
): PluggedInterface {
  const networkInterfaceId = newId('networkInterface');
  const running = { ...INSTANCE, instanceId: newId('instance'), vpcId, subnetId, ...instance };
  return {
    name,
    instance: running,
    networkInterface: {
      networkInterfaceId,
      vpcId,
      subnetId,
      interfaceType: 'interface',
      description: '',
      privateIpAddress,
      secondaryPrivateIpAddresses: [],
      ipv6Addresses: [],
      macAddress: macOf(networkInterfaceId),
      securityGroupIds: [],
      sourceDestCheck: true,
      attachment: {
        attachmentId: newId('networkInterfaceAttachment'),
        instanceId: running.instanceId,
        deviceIndex,
        attachTime: NOW,
        deleteOnTermination: true,
      },
      ...networkInterface,
    },
  };
}

const INSTANCE = sampleInstance({ vpcId: VPC.vpcId, subnetId: FRONT.subnetId, uid: 70_001 });

export function toGateway({ internetGatewayId }: InternetGateway): RouteTarget {
  return { kind: 'internetGateway', id: internetGatewayId };
}

export function mainWith(routes: Readonly<Record<string, RouteTarget>>): RouteTable {
  return { ...MAIN, routes: routesTo(routes) };
}

/** A route table of its own for a subnet, and the subnet with it. */
export function ownTable(
  subnet: Subnet,
  routes: Readonly<Record<string, RouteTarget>>,
): { readonly subnet: Subnet; readonly table: RouteTable } {
  const table: RouteTable = {
    routeTableId: newId('routeTable'),
    vpcId: subnet.vpcId,
    routes: routesTo(routes),
  };
  const routeTable = {
    associationId: newId('routeTableAssociation'),
    routeTableId: table.routeTableId,
  };
  return { table, subnet: { ...subnet, routeTable } };
}

function routesTo(routes: Readonly<Record<string, RouteTarget>>): Route[] {
  return Object.entries(routes).map(([destination, target]) => ({ destination, target }));
}

/** A NAT gateway in a subnet, with its address as it is seen on the host. */
export function natIn(
  { subnetId, vpcId }: Subnet,
  publicIp: string,
  carrierIp = publicIp,
): { readonly gateway: NatGateway; readonly address: Address; readonly target: RouteTarget } {
  const networkInterfaceId = newId('networkInterface');
  const address = addressOf(publicIp, { networkInterfaceId, privateIpAddress: '10.0.1.250' }, carrierIp);
  const natGatewayId = newId('natGateway');
  return {
    address,
    target: { kind: 'natGateway', id: natGatewayId },
    gateway: {
      natGatewayId,
      vpcId,
      subnetId,
      networkInterfaceId,
      allocationId: address.allocationId,
      createTime: NOW,
      clientToken: null,
    },
  };
}

export function addressOf(
  publicIp: string,
  of: Pick<NetworkInterface, 'networkInterfaceId' | 'privateIpAddress'>,
  carrierIp = publicIp,
): Address {
  return {
    allocationId: newId('address'),
    publicIp,
    carrierIp,
    reach: publicIp === carrierIp ? 'host' : 'own',
    association: {
      associationId: newId('addressAssociation'),
      networkInterfaceId: of.networkInterfaceId,
      privateIpAddress: of.privateIpAddress,
    },
  };
}

/** An active peering that this VPC has asked for, unless it is the accepter. */
export function peeringWith(
  fields: Partial<Omit<Peering, 'connection'>> & { readonly isAccepter?: boolean } = {},
): Peering {
  const { isAccepter = false, ...rest } = fields;
  const peer: Vpc = {
    ...VPC,
    vpcId: newId('vpc'),
    cidrBlock: '10.1.0.0/16',
    mainRouteTable: { associationId: newId('routeTableAssociation'), routeTableId: newId('routeTable') },
  };
  const [requesterVpcId, accepterVpcId] = isAccepter ? [peer.vpcId, VPC.vpcId] : [VPC.vpcId, peer.vpcId];
  return {
    connection: {
      vpcPeeringConnectionId: newId('vpcPeeringConnection'),
      requesterVpcId,
      accepterVpcId,
      status: 'active',
      createTime: NOW,
    },
    peer,
    peerGroups: [],
    peerPlugged: [],
    ...rest,
  };
}
