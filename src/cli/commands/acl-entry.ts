// Entries of network ACLs: words in, requests out; and back as a table.
import type { CreateNetworkAclEntryRequest, NetworkAcl, NetworkAclEntry } from '@aws-sdk/client-ec2';
import { UsageError } from '../../core/errors.ts';
import { nameOf } from '../name-tag.ts';
import type { Output } from '../output.ts';

interface EntryWords {
  readonly proto: string;
  readonly port: string | undefined;
  readonly icmp: string | undefined;
  readonly cidr: string;
  readonly egress: boolean;
}

type EntryRequest = Omit<CreateNetworkAclEntryRequest, 'NetworkAclId'>;

/** The entry that a command's words describe. Throws `UsageError` for words that do not go together. */
export function entryOf(args: EntryWords & Readonly<Record<string, unknown>>): EntryRequest {
  const { proto, port, icmp, cidr, egress } = args;
  const hasPorts = ['tcp', 'udp', '6', '17'].includes(proto);
  const isIcmp = ['icmp', 'icmpv6', '1', '58'].includes(proto);
  if (port !== undefined && !hasPorts)
    throw new UsageError(`an entry for ${proto} has no port`, { hint: '--proto tcp -p 80, or no -p' });
  if (icmp !== undefined && !isIcmp)
    throw new UsageError(`an entry for ${proto} has no ICMP type`, { hint: '--proto icmp --icmp 8' });
  return {
    RuleNumber: Number(args['number']),
    RuleAction: args['action'] as 'allow' | 'deny',
    Egress: egress,
    Protocol: proto === 'all' ? '-1' : proto,
    ...(cidr.includes(':') ? { Ipv6CidrBlock: cidr } : { CidrBlock: cidr }),
    ...(hasPorts ? { PortRange: portsOf(port) } : {}),
    ...(isIcmp ? { IcmpTypeCode: icmpOf(icmp) } : {}),
  };
}

function portsOf(word: string | undefined): { From: number; To: number } {
  if (word === undefined) return { From: 0, To: 65_535 };
  const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(word) ?? [];
  if (from === undefined)
    throw new UsageError(`'${word}' is not a port or a range of ports`, { hint: '-p 80 or -p 8000-8100' });
  return { From: Number(from), To: Number(to) };
}

function icmpOf(word: string | undefined): { Type: number; Code: number } {
  if (word === undefined) return { Type: -1, Code: -1 };
  const [, type, code = '-1'] = /^(\d+)(?:\/(\d+|-1))?$/.exec(word) ?? [];
  if (type === undefined)
    throw new UsageError(`'${word}' is not an ICMP type`, { hint: '--icmp 8, or --icmp 3/4 with a code' });
  return { Type: Number(type), Code: Number(code) };
}

/** An ACL with its entries, as `acl show` shows it. */
export function printAcl(out: Output, found: NetworkAcl): void {
  out.facts([
    ['acl', found.NetworkAclId],
    ['name', nameOf(found.Tags)],
    ['vpc', found.VpcId],
    ['default', found.IsDefault === true ? 'yes' : 'no'],
    ['subnets', (found.Associations ?? []).map(({ SubnetId }) => SubnetId).join(', ')],
  ]);
  out.line();
  out.table(
    ['DIRECTION', 'NUMBER', 'ACTION', 'PROTOCOL', 'PORTS', 'BLOCK'],
    (found.Entries ?? []).map((entry) => [
      entry.Egress === true ? 'out' : 'in',
      (entry.RuleNumber ?? 0) > 32_766 ? '*' : String(entry.RuleNumber),
      entry.RuleAction ?? '',
      PROTOCOL_NAMES[entry.Protocol ?? ''] ?? entry.Protocol ?? '',
      trafficOf(entry),
      entry.CidrBlock ?? entry.Ipv6CidrBlock ?? '',
    ]),
  );
}

const PROTOCOL_NAMES: Readonly<Record<string, string>> = {
  '-1': 'all',
  '1': 'icmp',
  '6': 'tcp',
  '17': 'udp',
  '58': 'icmpv6',
};

function trafficOf({ PortRange, IcmpTypeCode }: NetworkAclEntry): string {
  if (IcmpTypeCode !== undefined)
    return IcmpTypeCode.Type === -1
      ? 'all'
      : `${IcmpTypeCode.Type}${IcmpTypeCode.Code === -1 ? '' : `/${IcmpTypeCode.Code}`}`;
  if (PortRange === undefined || (PortRange.From === 0 && PortRange.To === 65_535)) return 'all';
  return PortRange.From === PortRange.To ? String(PortRange.From) : `${PortRange.From}-${PortRange.To}`;
}
