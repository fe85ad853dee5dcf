// Everything recorded that one VPC's network is made of, read at one moment.
import type { VpcId } from '../../core/ids.ts';
import { HostError } from '../../core/errors.ts';
import { addresses, type Address } from '../../store/addresses.ts';
import type { Db } from '../../store/database.ts';
import {
  internetGateways,
  natGateways,
  peeringsOf,
  type InternetGateway,
  type NatGateway,
  type VpcPeeringConnection,
} from '../../store/gateways.ts';
import { instances, type Instance } from '../../store/instances.ts';
import { networkAcls, type NetworkAcl } from '../../store/network-acls.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import { routeTables, type RouteTable } from '../../store/route-tables.ts';
import {
  prefixLists,
  securityGroups,
  type PrefixList,
  type SecurityGroup,
} from '../../store/security-groups.ts';
import { tagsOf } from '../../store/tags.ts';
import { dhcpOptionSets, subnets, vpcs, type DhcpOptions, type Subnet, type Vpc } from '../../store/vpcs.ts';
import { ACTIVE_STATES } from '../instances/instance-state.ts';

export interface VpcRecords {
  readonly vpc: Vpc;
  readonly subnets: readonly Subnet[];
  readonly routeTables: readonly RouteTable[];
  readonly networkAcls: readonly NetworkAcl[];
  readonly internetGateway: InternetGateway | undefined;
  readonly natGateways: readonly NatGateway[];
  readonly groups: readonly SecurityGroup[];
  readonly prefixLists: readonly PrefixList[];
  readonly dhcpOptions: DhcpOptions | undefined;
  /** Interfaces of active instances. */
  readonly plugged: readonly PluggedInterface[];
  /** Elastic addresses that stand for an address of this VPC. */
  readonly addresses: readonly Address[];
  readonly peerings: readonly Peering[];
}

export interface PluggedInterface {
  readonly networkInterface: NetworkInterface;
  readonly instance: Instance;
  /** The instance's Name tag. */
  readonly name: string | undefined;
}

/** An active peering, from this VPC's side. */
export interface Peering {
  readonly connection: VpcPeeringConnection;
  readonly peer: Vpc;
  readonly peerGroups: readonly SecurityGroup[];
  readonly peerPlugged: readonly PluggedInterface[];
}

/** Throws `RecordMissing` for a VPC that is not recorded. */
export function readVpc(db: Db, vpcId: VpcId): VpcRecords {
  const vpc = requireVpc(db, vpcId);
  const interfaces = networkInterfaces.listBy(db, 'vpc_id', vpcId);
  const ids = new Set(interfaces.map(({ networkInterfaceId }) => networkInterfaceId));
  return {
    vpc,
    subnets: subnets.listBy(db, 'vpc_id', vpcId),
    routeTables: routeTables.listBy(db, 'vpc_id', vpcId),
    networkAcls: networkAcls.listBy(db, 'vpc_id', vpcId),
    internetGateway: internetGateways.listBy(db, 'vpc_id', vpcId)[0],
    natGateways: natGateways.listBy(db, 'vpc_id', vpcId),
    groups: securityGroups.listBy(db, 'vpc_id', vpcId),
    prefixLists: prefixLists.list(db),
    dhcpOptions: vpc.dhcpOptionsId === null ? undefined : dhcpOptionSets.get(db, vpc.dhcpOptionsId),
    plugged: pluggedOf(db, interfaces),
    addresses: addresses
      .list(db)
      .filter(({ association }) => association !== null && ids.has(association.networkInterfaceId)),
    peerings: activePeerings(db, vpcId),
  };
}

export function requireVpc(db: Db, vpcId: VpcId): Vpc {
  const vpc = vpcs.get(db, vpcId);
  if (vpc === undefined) throw new HostError('RecordMissing', `there is no record of ${vpcId}`);
  return vpc;
}

/** The VPCs at the other ends of this one's active peerings. */
export function peersOf(db: Db, vpcId: VpcId): readonly VpcId[] {
  return connectionsOf(db, vpcId).map((connection) => otherEnd(connection, vpcId));
}

function activePeerings(db: Db, vpcId: VpcId): readonly Peering[] {
  return connectionsOf(db, vpcId).map((connection) => {
    const peerId = otherEnd(connection, vpcId);
    return {
      connection,
      peer: requireVpc(db, peerId),
      peerGroups: securityGroups.listBy(db, 'vpc_id', peerId),
      peerPlugged: pluggedOf(db, networkInterfaces.listBy(db, 'vpc_id', peerId)),
    };
  });
}

function connectionsOf(db: Db, vpcId: VpcId): readonly VpcPeeringConnection[] {
  return peeringsOf(db, vpcId).filter(({ status }) => status === 'active');
}

function otherEnd({ requesterVpcId, accepterVpcId }: VpcPeeringConnection, vpcId: VpcId): VpcId {
  return requesterVpcId === vpcId ? accepterVpcId : requesterVpcId;
}

function pluggedOf(db: Db, interfaces: readonly NetworkInterface[]): readonly PluggedInterface[] {
  const known = new Map<string, Instance | undefined>();
  return interfaces.flatMap((networkInterface) => {
    if (networkInterface.attachment === null) return [];
    const { instanceId } = networkInterface.attachment;
    if (!known.has(instanceId)) known.set(instanceId, instances.get(db, instanceId));
    const instance = known.get(instanceId);
    if (instance === undefined || !ACTIVE_STATES.has(instance.state)) return [];
    return [{ networkInterface, instance, name: tagsOf(db, instanceId)['Name'] }];
  });
}
