import * as z from 'zod';
import { idOf } from './schemas.ts';
import { table } from './table.ts';

const vpc = z.strictObject({
  vpcId: idOf('vpc'),
  cidrBlock: z.string(),
  /** A /56 of unique local addresses (RFC 4193), with the id of its association. */
  ipv6: z.strictObject({ associationId: idOf('vpcCidrAssociation'), cidrBlock: z.string() }).nullable(),
  isDefault: z.boolean(),
  /** What DHCP says instead of EC2's own; null is EC2's `default`. */
  dhcpOptionsId: idOf('dhcpOptions').nullable(),
  enableDnsSupport: z.boolean(),
  enableDnsHostnames: z.boolean(),
  /** The route table of every subnet that has none of its own. */
  mainRouteTable: z.strictObject({
    associationId: idOf('routeTableAssociation'),
    routeTableId: idOf('routeTable'),
  }),
});

const subnet = z.strictObject({
  subnetId: idOf('subnet'),
  vpcId: idOf('vpc'),
  cidrBlock: z.string(),
  /** A /64 of the VPC's IPv6 block. */
  ipv6: z.strictObject({ associationId: idOf('subnetCidrAssociation'), cidrBlock: z.string() }).nullable(),
  availabilityZone: z.string(),
  defaultForAz: z.boolean(),
  mapPublicIpOnLaunch: z.boolean(),
  assignIpv6AddressOnCreation: z.boolean(),
  /** Its own route table; null where the VPC's main one counts. */
  routeTable: z
    .strictObject({ associationId: idOf('routeTableAssociation'), routeTableId: idOf('routeTable') })
    .nullable(),
  networkAcl: z.strictObject({
    associationId: idOf('networkAclAssociation'),
    networkAclId: idOf('networkAcl'),
  }),
});

const dhcpOptions = z.strictObject({
  dhcpOptionsId: idOf('dhcpOptions'),
  /** EC2's keys (`domain-name`, `domain-name-servers`, `ntp-servers`, …) and their values. */
  configurations: z.record(z.string(), z.array(z.string())),
});

/** EC2's Vpc, Subnet and DhcpOptions. */
export type Vpc = z.infer<typeof vpc>;
export type Subnet = z.infer<typeof subnet>;
export type DhcpOptions = z.infer<typeof dhcpOptions>;

export const vpcs = table<Vpc>({
  name: 'vpcs',
  schema: vpc,
  id: ({ vpcId }) => vpcId,
  columns: ({ isDefault, dhcpOptionsId }) => ({
    is_default: isDefault ? 1 : null,
    dhcp_options_id: dhcpOptionsId,
  }),
});

export const subnets = table<Subnet>({
  name: 'subnets',
  schema: subnet,
  id: ({ subnetId }) => subnetId,
  columns: ({ vpcId, routeTable, networkAcl }) => ({
    vpc_id: vpcId,
    route_table_id: routeTable?.routeTableId ?? null,
    network_acl_id: networkAcl.networkAclId,
  }),
});

export const dhcpOptionSets = table<DhcpOptions>({
  name: 'dhcp_options',
  schema: dhcpOptions,
  id: ({ dhcpOptionsId }) => dhcpOptionsId,
});
