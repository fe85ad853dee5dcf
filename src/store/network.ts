import * as z from 'zod';
import { Ec2Error } from '../core/errors.ts';
import type { Db } from './database.ts';
import { idOf, timestamp } from './schemas.ts';
import { table } from './table.ts';

const vpc = z.strictObject({
  vpcId: idOf('vpc'),
  cidrBlock: z.string(),
  isDefault: z.boolean(),
  /** Without an internet gateway nothing leaves the VPC but towards this host. */
  internetGatewayId: idOf('internetGateway').nullable(),
});

const subnet = z.strictObject({
  subnetId: idOf('subnet'),
  vpcId: idOf('vpc'),
  cidrBlock: z.string(),
  availabilityZone: z.string(),
  defaultForAz: z.boolean(),
});

const ipPermission = z.strictObject({
  /** `-1` is every protocol. */
  ipProtocol: z.enum(['tcp', 'udp', 'icmp', '-1']),
  /** Ports, or type and code for icmp; null with protocol -1 and for every type. */
  fromPort: z.int().nullable(),
  toPort: z.int().nullable(),
  ipRanges: z.array(z.strictObject({ cidrIp: z.string(), description: z.string().nullable() })),
  userIdGroupPairs: z.array(
    z.strictObject({ groupId: idOf('securityGroup'), description: z.string().nullable() }),
  ),
});

const securityGroup = z.strictObject({
  groupId: idOf('securityGroup'),
  groupName: z.string(),
  description: z.string(),
  vpcId: idOf('vpc'),
  ipPermissions: z.array(ipPermission),
  ipPermissionsEgress: z.array(ipPermission),
});

const networkInterface = z.strictObject({
  networkInterfaceId: idOf('networkInterface'),
  vpcId: idOf('vpc'),
  subnetId: idOf('subnet'),
  description: z.string(),
  privateIpAddress: z.string(),
  macAddress: z.string(),
  securityGroupIds: z.array(idOf('securityGroup')),
  attachment: z
    .strictObject({
      attachmentId: idOf('networkInterfaceAttachment'),
      instanceId: idOf('instance'),
      deviceIndex: z.int().nonnegative(),
      attachTime: timestamp,
      deleteOnTermination: z.boolean(),
    })
    .nullable(),
});

/** EC2's Vpc, Subnet, SecurityGroup, IpPermission and NetworkInterface. */
export type Vpc = z.infer<typeof vpc>;
export type Subnet = z.infer<typeof subnet>;
export type IpPermission = z.infer<typeof ipPermission>;
export type SecurityGroup = z.infer<typeof securityGroup>;
export type NetworkInterface = z.infer<typeof networkInterface>;

export const vpcs = table<Vpc>({ name: 'vpcs', schema: vpc, id: ({ vpcId }) => vpcId });

export const subnets = table<Subnet>({
  name: 'subnets',
  schema: subnet,
  id: ({ subnetId }) => subnetId,
  columns: ({ vpcId }) => ({ vpc_id: vpcId }),
});

export const securityGroups = table<SecurityGroup>({
  name: 'security_groups',
  schema: securityGroup,
  id: ({ groupId }) => groupId,
  columns: ({ vpcId, groupName }) => ({ vpc_id: vpcId, name: groupName }),
  duplicate: ({ groupName, vpcId }) =>
    new Ec2Error(
      'InvalidGroup.Duplicate',
      `The security group '${groupName}' already exists for VPC '${vpcId}'`,
    ),
});

export const networkInterfaces = table<NetworkInterface>({
  name: 'network_interfaces',
  schema: networkInterface,
  id: ({ networkInterfaceId }) => networkInterfaceId,
  columns: ({ vpcId, subnetId, attachment, privateIpAddress, macAddress }) => ({
    vpc_id: vpcId,
    subnet_id: subnetId,
    instance_id: attachment?.instanceId ?? null,
    device_index: attachment?.deviceIndex ?? null,
    private_ip: privateIpAddress,
    mac: macAddress,
  }),
  duplicate: ({ privateIpAddress }) =>
    new Ec2Error('InvalidIPAddress.InUse', `The address ${privateIpAddress} is in use`, {
      hint: 'choose another private address, or none',
    }),
});

/** The addresses that a subnet's interfaces hold. A record that cannot be read holds its address all the same. */
export function addressesIn(db: Db, subnetId: Subnet['subnetId']): ReadonlySet<string> {
  const rows = db.prepare('SELECT private_ip FROM network_interfaces WHERE subnet_id = ?').all(subnetId);
  return new Set((rows as { private_ip: string }[]).map(({ private_ip }) => private_ip));
}
