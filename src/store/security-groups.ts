import * as z from 'zod';
import { Ec2Error } from '../core/errors.ts';
import { idOf } from './schemas.ts';
import { table } from './table.ts';

const peer = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('ipv4'), cidr: z.string() }),
  z.strictObject({ kind: z.literal('ipv6'), cidr: z.string() }),
  z.strictObject({ kind: z.literal('prefixList'), prefixListId: idOf('prefixList') }),
  /** A group of this VPC, or of the other one of a peering. */
  z.strictObject({
    kind: z.literal('group'),
    groupId: idOf('securityGroup'),
    vpcPeeringConnectionId: idOf('vpcPeeringConnection').nullable(),
  }),
]);

const rule = z.strictObject({
  securityGroupRuleId: idOf('securityGroupRule'),
  isEgress: z.boolean(),
  /** `tcp`, `udp`, `icmp`, `icmpv6`, another protocol's number, or `-1` for every protocol. */
  ipProtocol: z.string(),
  /** Ports, or type and code for icmp (-1 is every one); null where the protocol has neither. */
  fromPort: z.int().nullable(),
  toPort: z.int().nullable(),
  peer,
  description: z.string().nullable(),
});

const securityGroup = z.strictObject({
  groupId: idOf('securityGroup'),
  groupName: z.string(),
  description: z.string(),
  vpcId: idOf('vpc'),
  rules: z.array(rule),
});

const prefixList = z.strictObject({
  prefixListId: idOf('prefixList'),
  prefixListName: z.string(),
  addressFamily: z.enum(['IPv4', 'IPv6']),
  maxEntries: z.int().positive(),
  version: z.int().positive(),
  entries: z.array(z.strictObject({ cidr: z.string(), description: z.string().nullable() })),
});

/** EC2's SecurityGroup, SecurityGroupRule and ManagedPrefixList. */
export type RulePeer = z.infer<typeof peer>;
export type SecurityGroupRule = z.infer<typeof rule>;
export type SecurityGroup = z.infer<typeof securityGroup>;
export type PrefixList = z.infer<typeof prefixList>;

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

export const prefixLists = table<PrefixList>({
  name: 'prefix_lists',
  schema: prefixList,
  id: ({ prefixListId }) => prefixListId,
});
