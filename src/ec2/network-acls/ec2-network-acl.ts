import type { NetworkAcl as Ec2NetworkAcl, NetworkAclEntry as Ec2Entry } from '@aws-sdk/client-ec2';
import { familyOf } from '../../core/ip.ts';
import type { NetworkAcl, NetworkAclEntry } from '../../store/network-acls.ts';
import { subnets, vpcs } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { ec2Tags } from '../tags/ec2-tags.ts';

/** The numbers of the entries `*`, by family (AWS: "Default network ACL"). */
const LAST_ENTRY = { 4: 32_767, 6: 32_768 } as const;

/** EC2's NetworkAcl: entries in the order in which they are tried, the last ones of each direction included. */
export function ec2NetworkAcl({ db, ownerId }: Ec2Context, acl: NetworkAcl): Ec2NetworkAcl {
  const { networkAclId, vpcId, isDefault } = acl;
  const hasIpv6 = (vpcs.get(db, vpcId)?.ipv6 ?? null) !== null;
  const directions = [true, false].flatMap((egress) => [
    ...acl.entries
      .filter((entry) => entry.egress === egress)
      .toSorted((a, b) => a.ruleNumber - b.ruleNumber)
      .map(ec2Entry),
    lastEntry(egress, 4),
    ...(hasIpv6 ? [lastEntry(egress, 6)] : []),
  ]);
  return {
    NetworkAclId: networkAclId,
    VpcId: vpcId,
    IsDefault: isDefault,
    OwnerId: ownerId,
    Entries: directions,
    Associations: subnets.listBy(db, 'network_acl_id', networkAclId).map(({ subnetId, networkAcl }) => ({
      NetworkAclAssociationId: networkAcl.associationId,
      NetworkAclId: networkAclId,
      SubnetId: subnetId,
    })),
    Tags: ec2Tags(db, networkAclId),
  };
}

function ec2Entry(entry: NetworkAclEntry): Ec2Entry {
  const { ruleNumber, egress, ruleAction, protocol, cidrBlock, portRange, icmpTypeCode } = entry;
  return {
    RuleNumber: ruleNumber,
    Egress: egress,
    RuleAction: ruleAction,
    Protocol: protocol,
    ...(familyOf(cidrBlock) === 4 ? { CidrBlock: cidrBlock } : { Ipv6CidrBlock: cidrBlock }),
    ...(portRange === null ? {} : { PortRange: { From: portRange.from, To: portRange.to } }),
    ...(icmpTypeCode === null ? {} : { IcmpTypeCode: { Type: icmpTypeCode.type, Code: icmpTypeCode.code } }),
  };
}

function lastEntry(egress: boolean, family: 4 | 6): Ec2Entry {
  return {
    RuleNumber: LAST_ENTRY[family],
    Egress: egress,
    RuleAction: 'deny',
    Protocol: '-1',
    ...(family === 4 ? { CidrBlock: '0.0.0.0/0' } : { Ipv6CidrBlock: '::/0' }),
  };
}
