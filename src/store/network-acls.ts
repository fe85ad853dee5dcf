import * as z from 'zod';
import { idOf } from './schemas.ts';
import { table } from './table.ts';

const entry = z.strictObject({
  ruleNumber: z.int().min(1).max(32_766),
  egress: z.boolean(),
  ruleAction: z.enum(['allow', 'deny']),
  /** A protocol's number; `-1` is every protocol. */
  protocol: z.string(),
  /** IPv4 or IPv6, in canonical form. */
  cidrBlock: z.string(),
  /** For TCP (6) and UDP (17). */
  portRange: z.strictObject({ from: z.int(), to: z.int() }).nullable(),
  /** For ICMP (1) and ICMPv6 (58); -1 is every one. */
  icmpTypeCode: z.strictObject({ type: z.int(), code: z.int() }).nullable(),
});

const networkAcl = z.strictObject({
  networkAclId: idOf('networkAcl'),
  vpcId: idOf('vpc'),
  isDefault: z.boolean(),
  /** Without the last ones (`*`), which deny what no other entry decided. */
  entries: z.array(entry),
});

/** EC2's NetworkAcl and NetworkAclEntry. Which subnets use it is in the subnets' records. */
export type NetworkAclEntry = z.infer<typeof entry>;
export type NetworkAcl = z.infer<typeof networkAcl>;

export const networkAcls = table<NetworkAcl>({
  name: 'network_acls',
  schema: networkAcl,
  id: ({ networkAclId }) => networkAclId,
  columns: ({ vpcId, isDefault }) => ({ vpc_id: vpcId, default_of: isDefault ? vpcId : null }),
});
