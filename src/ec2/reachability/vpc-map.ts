// `bonami vpc show`: a VPC with all that is in it, nested as it lies.
import type { VpcId } from '../../core/ids.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import type { Route } from '../../store/route-tables.ts';
import { instances } from '../../store/instances.ts';
import { vpcPeeringConnections } from '../../store/gateways.ts';
import type { SecurityGroup } from '../../store/security-groups.ts';
import { tagsOf } from '../../store/tags.ts';
import { vpcs, type Subnet } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { freeAddressCount } from '../network-interfaces/allocate-private-address.ts';
import { isActiveRoute } from '../route-tables/active-route.ts';
import { resolverAddress, routeTableOf } from '../vpcs/router-spec.ts';
import { readVpc, type VpcRecords } from '../vpcs/vpc-records.ts';
import { inboundOf, type Inbound } from './inbound.ts';
import { ruleText } from './rule-text.ts';

export interface VpcMap {
  readonly VpcId: string;
  readonly Name?: string;
  readonly CidrBlock: string;
  readonly Ipv6CidrBlock?: string;
  readonly IsDefault: boolean;
  readonly DhcpOptionsId: string;
  /** Undefined while DNS is off. */
  readonly ResolverAddress?: string;
  readonly InternetGatewayId?: string;
  readonly Subnets: readonly MappedSubnet[];
  readonly VpcPeeringConnections: readonly MappedPeering[];
  readonly SecurityGroups: readonly MappedGroup[];
  /** What may reach each running instance. */
  readonly Inbound: readonly Inbound[];
}

export interface MappedSubnet {
  readonly SubnetId: string;
  readonly Name?: string;
  readonly AvailabilityZone: string;
  readonly CidrBlock: string;
  readonly Ipv6CidrBlock?: string;
  readonly AvailableIpAddressCount: number;
  readonly RouteTable: {
    readonly RouteTableId: string;
    readonly Main: boolean;
    readonly Routes: readonly MappedRoute[];
  };
  readonly NetworkAcl: { readonly NetworkAclId: string; readonly IsDefault: boolean };
  readonly NatGateways: readonly MappedNatGateway[];
  readonly NetworkInterfaces: readonly MappedInterface[];
}

export interface MappedRoute {
  readonly Destination: string;
  readonly Target: string;
  /** Where that leads, in a word or two. */
  readonly Means: string;
  readonly State: 'active' | 'blackhole';
}

export interface MappedNatGateway {
  readonly NatGatewayId: string;
  readonly PrivateIpAddress: string;
  readonly PublicIp: string;
}

export interface MappedInterface {
  readonly NetworkInterfaceId: string;
  readonly PrivateIpAddresses: readonly string[];
  readonly Ipv6Addresses: readonly string[];
  readonly PublicIps: readonly string[];
  readonly SourceDestCheck: boolean;
  readonly Groups: readonly { readonly GroupId: string; readonly GroupName: string }[];
  readonly Instance?: { readonly InstanceId: string; readonly Name?: string; readonly State: string };
}

export interface MappedPeering {
  readonly VpcPeeringConnectionId: string;
  readonly PeerVpcId: string;
  readonly PeerCidrBlock: string;
  readonly Status: string;
}

export interface MappedGroup {
  readonly GroupId: string;
  readonly GroupName: string;
  /** Instances of this VPC that are in it and run. */
  readonly Members: readonly { readonly InstanceId: string; readonly Name?: string }[];
  readonly Inbound: readonly string[];
  readonly Outbound: readonly string[];
}

export function vpcMap(ctx: Ec2Context, vpcId: VpcId): VpcMap {
  const records = readVpc(ctx.db, vpcId);
  const { vpc, internetGateway } = records;
  return {
    VpcId: vpcId,
    ...named(ctx, vpcId),
    CidrBlock: vpc.cidrBlock,
    ...(vpc.ipv6 === null ? {} : { Ipv6CidrBlock: vpc.ipv6.cidrBlock }),
    IsDefault: vpc.isDefault,
    DhcpOptionsId: vpc.dhcpOptionsId ?? 'default',
    ...(vpc.enableDnsSupport ? { ResolverAddress: resolverAddress(vpc) } : {}),
    ...(internetGateway === undefined ? {} : { InternetGatewayId: internetGateway.internetGatewayId }),
    Subnets: records.subnets.toSorted(byZone).map((subnet) => mappedSubnet(ctx, records, subnet)),
    VpcPeeringConnections: peeringsOf(ctx, vpcId),
    SecurityGroups: records.groups.map((group) => {
      const texts = (isEgress: boolean): readonly string[] =>
        group.rules.filter((rule) => rule.isEgress === isEgress).map((rule) => ruleText(records, rule));
      return {
        GroupId: group.groupId,
        GroupName: group.groupName,
        Members: membersOf(records, group),
        Inbound: texts(false),
        Outbound: texts(true),
      };
    }),
    Inbound: inboundOf(records),
  };
}

function named({ db }: Ec2Context, id: string): { readonly Name?: string } {
  const { Name } = tagsOf(db, id);
  return Name === undefined ? {} : { Name };
}

function membersOf({ plugged }: VpcRecords, { groupId }: SecurityGroup): MappedGroup['Members'] {
  const members = plugged.filter(({ networkInterface }) =>
    networkInterface.securityGroupIds.includes(groupId),
  );
  const byId = new Map(members.map(({ instance, name }) => [instance.instanceId, name]));
  return [...byId].map(([InstanceId, Name]) => ({ InstanceId, ...(Name === undefined ? {} : { Name }) }));
}

function byZone(a: Subnet, b: Subnet): number {
  return (
    a.availabilityZone.localeCompare(b.availabilityZone) ||
    a.cidrBlock.localeCompare(b.cidrBlock, 'en', { numeric: true })
  );
}

function mappedSubnet(ctx: Ec2Context, records: VpcRecords, subnet: Subnet): MappedSubnet {
  const { subnetId, networkAcl, ipv6 } = subnet;
  const all = networkInterfaces.listBy(ctx.db, 'subnet_id', subnetId);
  const acl = records.networkAcls.find(({ networkAclId }) => networkAclId === networkAcl.networkAclId);
  const table = routeTableOf(records, subnet);
  return {
    SubnetId: subnetId,
    ...named(ctx, subnetId),
    AvailabilityZone: subnet.availabilityZone,
    CidrBlock: subnet.cidrBlock,
    ...(ipv6 === null ? {} : { Ipv6CidrBlock: ipv6.cidrBlock }),
    AvailableIpAddressCount: freeAddressCount(ctx.db, subnet),
    RouteTable: {
      RouteTableId: table?.routeTableId ?? '',
      Main: subnet.routeTable === null,
      Routes: (table?.routes ?? []).map((route) => mappedRoute(ctx, records, route)),
    },
    NetworkAcl: { NetworkAclId: networkAcl.networkAclId, IsDefault: acl?.isDefault ?? false },
    NatGateways: records.natGateways
      .filter((each) => each.subnetId === subnetId)
      .map(({ natGatewayId, networkInterfaceId, allocationId }) => ({
        NatGatewayId: natGatewayId,
        PrivateIpAddress:
          all.find((each) => each.networkInterfaceId === networkInterfaceId)?.privateIpAddress ?? '',
        PublicIp: records.addresses.find((each) => each.allocationId === allocationId)?.publicIp ?? '',
      })),
    NetworkInterfaces: all
      .filter(({ interfaceType }) => interfaceType === 'interface')
      .toSorted((a, b) => a.privateIpAddress.localeCompare(b.privateIpAddress, 'en', { numeric: true }))
      .map((each) => mappedInterface(ctx, records, each)),
  };
}

function mappedRoute({ db }: Ec2Context, records: VpcRecords, route: Route): MappedRoute {
  return {
    Destination: route.destination,
    Target: route.target.id,
    Means: meaningOf(records, route),
    State: isActiveRoute(db, records.vpc.vpcId, route) ? 'active' : 'blackhole',
  };
}

function meaningOf(records: VpcRecords, { target }: Route): string {
  switch (target.kind) {
    case 'internetGateway':
      return 'internet';
    case 'natGateway':
      return 'internet by NAT';
    case 'vpcPeeringConnection': {
      const peering = records.peerings.find(
        ({ connection }) => connection.vpcPeeringConnectionId === target.id,
      );
      return peering?.peer.vpcId ?? 'another VPC';
    }
    case 'networkInterface': {
      const holder = records.plugged.find(
        ({ networkInterface }) => networkInterface.networkInterfaceId === target.id,
      );
      return holder === undefined ? 'an instance' : (holder.name ?? holder.instance.instanceId);
    }
  }
}

function mappedInterface(
  ctx: Ec2Context,
  { groups, addresses }: VpcRecords,
  each: NetworkInterface,
): MappedInterface {
  const { networkInterfaceId, attachment } = each;
  const instance = attachment === null ? undefined : instances.get(ctx.db, attachment.instanceId);
  return {
    NetworkInterfaceId: networkInterfaceId,
    PrivateIpAddresses: [each.privateIpAddress, ...each.secondaryPrivateIpAddresses],
    Ipv6Addresses: each.ipv6Addresses,
    PublicIps: addresses.flatMap(({ association, publicIp }) =>
      association?.networkInterfaceId === networkInterfaceId ? [publicIp] : [],
    ),
    SourceDestCheck: each.sourceDestCheck,
    Groups: each.securityGroupIds.map((id) => ({
      GroupId: id,
      GroupName: groups.find(({ groupId }) => groupId === id)?.groupName ?? '',
    })),
    ...(instance === undefined
      ? {}
      : {
          Instance: {
            InstanceId: instance.instanceId,
            ...named(ctx, instance.instanceId),
            State: instance.state,
          },
        }),
  };
}

/** The pending ones too. */
function peeringsOf({ db }: Ec2Context, vpcId: VpcId): readonly MappedPeering[] {
  return vpcPeeringConnections
    .list(db)
    .filter(({ requesterVpcId, accepterVpcId }) => requesterVpcId === vpcId || accepterVpcId === vpcId)
    .map(({ vpcPeeringConnectionId, requesterVpcId, accepterVpcId, status }) => {
      const peer = requesterVpcId === vpcId ? accepterVpcId : requesterVpcId;
      return {
        VpcPeeringConnectionId: vpcPeeringConnectionId,
        PeerVpcId: peer,
        PeerCidrBlock: vpcs.get(db, peer)?.cidrBlock ?? '',
        Status: status,
      };
    });
}
