import type {
  DescribeNetworkAclsRequest,
  DescribeNetworkAclsResult,
  NetworkAcl,
  NetworkAclAssociation,
  NetworkAclEntry,
} from '@aws-sdk/client-ec2';
import type { Ec2Context } from '../context.ts';
import { filterTests, type FilterTable } from '../filters.ts';
import { recordsOf } from '../resource-kinds.ts';
import { tagFilters } from '../tags/ec2-tags.ts';
import { ensureDefaultVpc } from '../vpcs/default-vpc.ts';
import { ec2NetworkAcl } from './ec2-network-acl.ts';

/** EC2's DescribeNetworkAcls. Throws `InvalidNetworkAclID.NotFound`. */
export async function describeNetworkAcls(
  ctx: Ec2Context,
  { NetworkAclIds = [], Filters = [] }: DescribeNetworkAclsRequest,
): Promise<DescribeNetworkAclsResult> {
  await ensureDefaultVpc(ctx);
  const tests = filterTests<NetworkAcl>(Filters, networkAclFilters(ctx));
  return {
    NetworkAcls: recordsOf(ctx.db, 'networkAcl', NetworkAclIds)
      .map((acl) => ec2NetworkAcl(ctx, acl))
      .filter((acl) => tests.every((test) => test(acl))),
  };
}

function networkAclFilters(ctx: Ec2Context): FilterTable<NetworkAcl> {
  const ofEntries =
    (read: (entry: NetworkAclEntry) => string | number | boolean | undefined) =>
    ({ Entries = [] }: NetworkAcl): readonly string[] =>
      Entries.flatMap((entry) => {
        const value = read(entry);
        return value === undefined ? [] : String(value);
      });
  const ofAssociations =
    (read: (association: NetworkAclAssociation) => string | undefined) =>
    ({ Associations = [] }: NetworkAcl): readonly string[] =>
      Associations.flatMap((association) => read(association) ?? []);
  const id = ({ NetworkAclId = '' }: NetworkAcl): string => NetworkAclId;
  return {
    'association.association-id': ofAssociations((each) => each.NetworkAclAssociationId),
    'association.network-acl-id': ofAssociations(({ NetworkAclId }) => NetworkAclId),
    'association.subnet-id': ofAssociations(({ SubnetId }) => SubnetId),
    default: ({ IsDefault }) => String(IsDefault),
    'entry.cidr': ofEntries(({ CidrBlock }) => CidrBlock),
    'entry.egress': ofEntries(({ Egress }) => Egress),
    'entry.icmp.code': ofEntries(({ IcmpTypeCode }) => IcmpTypeCode?.Code),
    'entry.icmp.type': ofEntries(({ IcmpTypeCode }) => IcmpTypeCode?.Type),
    'entry.ipv6-cidr': ofEntries(({ Ipv6CidrBlock }) => Ipv6CidrBlock),
    'entry.port-range.from': ofEntries(({ PortRange }) => PortRange?.From),
    'entry.port-range.to': ofEntries(({ PortRange }) => PortRange?.To),
    'entry.protocol': ofEntries(({ Protocol }) => Protocol),
    'entry.rule-action': ofEntries(({ RuleAction }) => RuleAction),
    'entry.rule-number': ofEntries(({ RuleNumber }) => RuleNumber),
    'network-acl-id': id,
    'owner-id': () => ctx.ownerId,
    'vpc-id': ({ VpcId = '' }) => VpcId,
    ...tagFilters<NetworkAcl>(ctx.db, id),
  };
}
