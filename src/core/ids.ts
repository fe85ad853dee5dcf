import { randomBytes } from 'node:crypto';

/** The resource kinds bonami knows, with EC2's id prefixes (AWS user guide, "Resource IDs"). */
export const ID_PREFIXES = {
  address: 'eipalloc',
  addressAssociation: 'eipassoc',
  dhcpOptions: 'dopt',
  image: 'ami',
  instance: 'i',
  internetGateway: 'igw',
  keyPair: 'key',
  natGateway: 'nat',
  networkAcl: 'acl',
  networkAclAssociation: 'aclassoc',
  networkInterface: 'eni',
  networkInterfaceAttachment: 'eni-attach',
  prefixList: 'pl',
  reservation: 'r',
  routeTable: 'rtb',
  routeTableAssociation: 'rtbassoc',
  securityGroup: 'sg',
  securityGroupRule: 'sgr',
  snapshot: 'snap',
  subnet: 'subnet',
  subnetCidrAssociation: 'subnet-cidr-assoc',
  volume: 'vol',
  vpc: 'vpc',
  vpcCidrAssociation: 'vpc-cidr-assoc',
  vpcPeeringConnection: 'pcx',
} as const;

export type ResourceKind = keyof typeof ID_PREFIXES;
export type ResourceId<K extends ResourceKind> = `${(typeof ID_PREFIXES)[K]}-${string}`;

export type AllocationId = ResourceId<'address'>;
export type DhcpOptionsId = ResourceId<'dhcpOptions'>;
export type InternetGatewayId = ResourceId<'internetGateway'>;
export type NatGatewayId = ResourceId<'natGateway'>;
export type NetworkAclId = ResourceId<'networkAcl'>;
export type PrefixListId = ResourceId<'prefixList'>;
export type RouteTableId = ResourceId<'routeTable'>;
export type VpcPeeringConnectionId = ResourceId<'vpcPeeringConnection'>;
export type ImageId = ResourceId<'image'>;
export type InstanceId = ResourceId<'instance'>;
export type KeyPairId = ResourceId<'keyPair'>;
export type NetworkInterfaceId = ResourceId<'networkInterface'>;
export type ReservationId = ResourceId<'reservation'>;
export type SecurityGroupId = ResourceId<'securityGroup'>;
export type SecurityGroupRuleId = ResourceId<'securityGroupRule'>;
export type SnapshotId = ResourceId<'snapshot'>;
export type SubnetId = ResourceId<'subnet'>;
export type VolumeId = ResourceId<'volume'>;
export type VpcId = ResourceId<'vpc'>;

/** A new random id: EC2's prefix and 17 hexadecimal digits. Uniqueness is the store's constraint, not this function's promise. */
export function newId<K extends ResourceKind>(kind: K): ResourceId<K> {
  return `${ID_PREFIXES[kind]}-${randomBytes(9).toString('hex').slice(0, 17)}`;
}

/**
 * Whether `text` has the form of an id of this kind. Anchored at both ends: ids name folders, links and
 * namespaces, so nothing else may pass. EC2's older ids have 8 digits.
 */
export function isId<K extends ResourceKind>(kind: K, text: string): text is ResourceId<K> {
  return new RegExp(`^${ID_PREFIXES[kind]}-(?:[0-9a-f]{8}|[0-9a-f]{17})$`).test(text);
}

/** Whether `text` could be the beginning of an id of this kind, long enough to be meant as one. */
export function isIdPrefix(kind: ResourceKind, text: string): boolean {
  return new RegExp(`^${ID_PREFIXES[kind]}-[0-9a-f]{1,17}$`).test(text);
}
