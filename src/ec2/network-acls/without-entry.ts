import { Ec2Error } from '../../core/errors.ts';
import type { NetworkAcl, NetworkAclEntry } from '../../store/network-acls.ts';

/** An ACL's other entries. Throws `InvalidNetworkAclEntry.NotFound` when it has none of this number and direction. */
export function withoutEntry(
  { networkAclId, entries }: NetworkAcl,
  { ruleNumber, egress }: Pick<NetworkAclEntry, 'ruleNumber' | 'egress'>,
): NetworkAclEntry[] {
  const others = entries.filter((each) => each.ruleNumber !== ruleNumber || each.egress !== egress);
  if (others.length === entries.length)
    throw new Ec2Error(
      'InvalidNetworkAclEntry.NotFound',
      `The network acl entry identified by ${ruleNumber} does not exist.`,
      { hint: `${egress ? 'outbound' : 'inbound'} entries: bonami acl show ${networkAclId}` },
    );
  return others;
}
