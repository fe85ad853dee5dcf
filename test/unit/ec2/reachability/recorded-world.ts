// Networks on a real store, made by the handful; nothing of them stands in the kernel.
import {
  newId,
  type InternetGatewayId,
  type NatGatewayId,
  type VpcPeeringConnectionId,
} from '../../../../src/core/ids.ts';
import { macOf } from '../../../../src/core/link-name.ts';
import { allocatePrivateAddress } from '../../../../src/ec2/network-interfaces/allocate-private-address.ts';
import { explainPath } from '../../../../src/ec2/reachability/explain-path.ts';
import type { Explanation } from '../../../../src/ec2/reachability/explanation.ts';
import type { HostPlace } from '../../../../src/ec2/reachability/place.ts';
import { resolvePlaces } from '../../../../src/ec2/reachability/resolve-place.ts';
import { parseTraffic } from '../../../../src/ec2/reachability/traffic.ts';
import { recordOf } from '../../../../src/ec2/resource-kinds.ts';
import { recordSubnet } from '../../../../src/ec2/subnets/record-subnet.ts';
import { everythingOut, passEverything, recordVpc } from '../../../../src/ec2/vpcs/record-vpc.ts';
import { addresses, type Address } from '../../../../src/store/addresses.ts';
import type { Db } from '../../../../src/store/database.ts';
import { internetGateways, natGateways, vpcPeeringConnections } from '../../../../src/store/gateways.ts';
import { instances, type Instance } from '../../../../src/store/instances.ts';
import { networkAcls, type NetworkAclEntry } from '../../../../src/store/network-acls.ts';
import { networkInterfaces, type NetworkInterface } from '../../../../src/store/network-interfaces.ts';
import { routeTables, type Route, type RouteTarget } from '../../../../src/store/route-tables.ts';
import {
  prefixLists,
  securityGroups,
  type RulePeer,
  type SecurityGroup,
  type SecurityGroupRule,
} from '../../../../src/store/security-groups.ts';
import { putTags } from '../../../../src/store/tags.ts';
import { subnets, vpcs, type Subnet, type Vpc } from '../../../../src/store/vpcs.ts';
import { NetworkRecords } from '../../../support/network-records.ts';

export interface Machine {
  readonly instance: Instance;
  readonly networkInterface: NetworkInterface;
  readonly address: string;
}

export interface MachineOptions {
  readonly groups?: readonly SecurityGroup[];
  readonly name?: string;
  readonly state?: Instance['state'];
  readonly address?: string;
  readonly secondary?: readonly string[];
  readonly ipv6?: readonly string[];
  readonly sourceDestCheck?: boolean;
}

/** Traffic of a rule in short: `tcp/22`, `tcp/80-90`, `icmp/8/0`, `proto/47`, `all`. */
export type Short = string;

export class RecordedWorld implements Disposable {
  readonly #records = new NetworkRecords();

  get db(): Db {
    return this.#records.db;
  }

  get ctx(): NetworkRecords['ctx'] {
    return this.#records.ctx;
  }

  vpc(cidrBlock: string, { ipv6 }: { readonly ipv6?: string } = {}): Vpc {
    const block = ipv6 === undefined ? null : { associationId: newId('vpcCidrAssociation'), cidrBlock: ipv6 };
    return recordVpc(this.db, { cidrBlock, ipv6: block, isDefault: false });
  }

  subnet(vpc: Vpc, cidrBlock: string, { ipv6 }: { readonly ipv6?: string } = {}): Subnet {
    return recordSubnet(this.db, {
      vpc,
      cidrBlock,
      ipv6: ipv6 === undefined ? null : { associationId: newId('subnetCidrAssociation'), cidrBlock: ipv6 },
      availabilityZone: 'us-east-1a',
      defaultForAz: false,
    });
  }

  /** Nothing in, everything out. */
  group({ vpcId, ipv6 }: Vpc, groupName: string, rules?: readonly SecurityGroupRule[]): SecurityGroup {
    const group: SecurityGroup = {
      groupId: newId('securityGroup'),
      groupName,
      description: groupName,
      vpcId,
      rules: [...(rules ?? everythingOut({ ipv6 }))],
    };
    securityGroups.insert(this.db, group);
    return group;
  }

  /** Adds rules to a group, or puts them in the place of those that it has. */
  setRules({ groupId }: SecurityGroup, rules: readonly SecurityGroupRule[], { keep = true } = {}): void {
    const group = recordOf(this.db, 'securityGroup', groupId);
    securityGroups.update(this.db, { ...group, rules: [...(keep ? group.rules : []), ...rules] });
  }

  machine(subnet: Subnet, options: MachineOptions = {}): Machine {
    const { groups = [], name, state = 'running', address, sourceDestCheck = true } = options;
    const template = this.#records.instance(subnet.subnetId, { state });
    networkInterfaces.remove(this.db, template.networkInterface.networkInterfaceId);
    const networkInterfaceId = newId('networkInterface');
    const networkInterface: NetworkInterface = {
      ...template.networkInterface,
      networkInterfaceId,
      macAddress: macOf(networkInterfaceId),
      privateIpAddress: allocatePrivateAddress(this.db, subnet, address),
      secondaryPrivateIpAddresses: [...(options.secondary ?? [])],
      ipv6Addresses: [...(options.ipv6 ?? [])],
      securityGroupIds: groups.map(({ groupId }) => groupId),
      sourceDestCheck,
    };
    networkInterfaces.insert(this.db, networkInterface);
    if (name !== undefined) putTags(this.db, template.instance.instanceId, { Name: name });
    return { instance: template.instance, networkInterface, address: networkInterface.privateIpAddress };
  }

  setState({ instance }: Machine, state: Instance['state']): void {
    instances.update(this.db, { ...instance, state });
  }

  /** A subnet's own ACL, with these entries. */
  acl(subnet: Subnet, entries: readonly NetworkAclEntry[]): string {
    const networkAclId = newId('networkAcl');
    networkAcls.insert(this.db, {
      networkAclId,
      vpcId: subnet.vpcId,
      isDefault: false,
      entries: [...entries],
    });
    const { associationId } = subnet.networkAcl;
    this.#changeSubnet(subnet, { networkAcl: { associationId, networkAclId } });
    return networkAclId;
  }

  /** A subnet's own route table, with these routes. */
  routes(subnet: Subnet, routes: Readonly<Record<string, RouteTarget>>): string {
    const routeTableId = newId('routeTable');
    routeTables.insert(this.db, {
      routeTableId,
      vpcId: subnet.vpcId,
      routes: Object.entries(routes).map(([destination, target]): Route => ({ destination, target })),
    });
    const associationId = newId('routeTableAssociation');
    this.#changeSubnet(subnet, { routeTable: { associationId, routeTableId } });
    return routeTableId;
  }

  #changeSubnet({ subnetId }: Subnet, change: Partial<Subnet>): void {
    subnets.update(this.db, { ...recordOf(this.db, 'subnet', subnetId), ...change });
  }

  gateway(vpc: Vpc | undefined): InternetGatewayId {
    const internetGatewayId = newId('internetGateway');
    internetGateways.insert(this.db, { internetGatewayId, vpcId: vpc?.vpcId ?? null });
    return internetGatewayId;
  }

  nat(subnet: Subnet, publicIp: string): NatGatewayId {
    const { vpcId, subnetId } = subnet;
    const each = this.#records.networkInterface(subnetId, { interfaceType: 'nat_gateway' });
    const { allocationId } = this.elastic(publicIp, each);
    const natGatewayId = newId('natGateway');
    natGateways.insert(this.db, {
      natGatewayId,
      vpcId,
      subnetId,
      networkInterfaceId: each.networkInterfaceId,
      allocationId,
      createTime: '2026-01-02T03:04:05.000Z',
      clientToken: null,
    });
    return natGatewayId;
  }

  elastic(
    publicIp: string,
    to: NetworkInterface | undefined,
    over: Partial<Pick<Address, 'reach' | 'carrierIp'>> & { readonly privateIpAddress?: string } = {},
  ): Address {
    const { privateIpAddress = to?.privateIpAddress ?? '', ...fields } = over;
    const address: Address = {
      allocationId: newId('address'),
      publicIp,
      carrierIp: publicIp,
      reach: 'host',
      association:
        to === undefined
          ? null
          : {
              associationId: newId('addressAssociation'),
              networkInterfaceId: to.networkInterfaceId,
              privateIpAddress,
            },
      ...fields,
    };
    addresses.insert(this.db, address);
    return address;
  }

  peering(
    requester: Vpc,
    accepter: Vpc,
    status: 'active' | 'pending-acceptance' = 'active',
  ): VpcPeeringConnectionId {
    const vpcPeeringConnectionId = newId('vpcPeeringConnection');
    vpcPeeringConnections.insert(this.db, {
      vpcPeeringConnectionId,
      requesterVpcId: requester.vpcId,
      accepterVpcId: accepter.vpcId,
      status,
      createTime: '2026-01-02T03:04:05.000Z',
    });
    return vpcPeeringConnectionId;
  }

  prefixList(prefixListName: string, blocks: readonly string[]): RulePeer {
    const prefixListId = newId('prefixList');
    prefixLists.insert(this.db, {
      prefixListId,
      prefixListName,
      addressFamily: blocks.some((block) => block.includes(':')) ? 'IPv6' : 'IPv4',
      maxEntries: 10,
      version: 1,
      entries: blocks.map((cidr) => ({ cidr, description: null })),
    });
    return { kind: 'prefixList', prefixListId };
  }

  vpcIds(): readonly Vpc['vpcId'][] {
    return vpcs.list(this.db).map(({ vpcId }) => vpcId);
  }

  /** The answer to a question in words. */
  why(
    from: string,
    to: string,
    traffic = 'tcp/22',
    { host = {}, isIpv6 = false }: WhyOptions = {},
  ): Explanation {
    const { family, ...ends } = resolvePlaces(this.db, { from, to, traffic, isIpv6 }, () => ({
      ...HOST,
      ...host,
    }));
    return explainPath({ ...ends, traffic: parseTraffic(traffic, family) });
  }

  [Symbol.dispose](): void {
    this.#records[Symbol.dispose]();
  }
}

export interface WhyOptions {
  readonly host?: Partial<HostPlace>;
  readonly isIpv6?: boolean;
}

const HOST: HostPlace = { kind: 'host', address: '169.254.96.5', reachesPrivate: true, reachesElastic: true };

/** A rule: `allowIn('tcp/22', '10.0.0.0/8')`. A block is told by its text, a group by its record. */
export function allowIn(traffic: Short, peer: string | SecurityGroup | RulePeer): SecurityGroupRule {
  return rule(traffic, peer, false);
}

export function allowOut(traffic: Short, peer: string | SecurityGroup | RulePeer): SecurityGroupRule {
  return rule(traffic, peer, true);
}

function rule(traffic: Short, peer: string | SecurityGroup | RulePeer, isEgress: boolean): SecurityGroupRule {
  const { protocol, from, to } = read(traffic);
  return {
    securityGroupRuleId: newId('securityGroupRule'),
    isEgress,
    ipProtocol: protocol,
    fromPort: from,
    toPort: to,
    peer: peerOf(peer),
    description: null,
  };
}

function peerOf(peer: string | SecurityGroup | RulePeer): RulePeer {
  if (typeof peer === 'string') return { kind: peer.includes(':') ? 'ipv6' : 'ipv4', cidr: peer };
  return 'kind' in peer ? peer : { kind: 'group', groupId: peer.groupId, vpcPeeringConnectionId: null };
}

const NUMBERS: Readonly<Record<string, string>> = { icmp: '1', tcp: '6', udp: '17', icmpv6: '58' };

/** An entry: `entry(100, 'allow', 'in', 'tcp/22', '0.0.0.0/0')`. */
export function entry(
  ruleNumber: number,
  ruleAction: 'allow' | 'deny',
  direction: 'in' | 'out',
  traffic: Short,
  cidrBlock = '0.0.0.0/0',
): NetworkAclEntry {
  const { protocol, from, to } = read(traffic);
  const isIcmp = protocol.startsWith('icmp');
  return {
    ruleNumber,
    egress: direction === 'out',
    ruleAction,
    protocol: NUMBERS[protocol] ?? protocol,
    cidrBlock,
    portRange: isIcmp || from === null || to === null ? null : { from, to },
    icmpTypeCode: isIcmp ? { type: from ?? -1, code: to ?? -1 } : null,
  };
}

export const OPEN_ACL = [...passEverything(4), ...passEverything(6)];

function read(traffic: Short): {
  readonly protocol: string;
  readonly from: number | null;
  readonly to: number | null;
} {
  const [name = '', first, second] = traffic.split('/');
  if (name === 'all') return { protocol: '-1', from: null, to: null };
  if (name === 'proto') return { protocol: first ?? '', from: null, to: null };
  if (name.startsWith('icmp')) return { protocol: name, from: Number(first ?? -1), to: Number(second ?? -1) };
  const [from = 0, to = from] = (first ?? '0-65535').split('-').map(Number);
  return { protocol: name, from, to };
}
