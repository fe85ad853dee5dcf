// Words of the command line as a security group's rule, and a rule in words.
import { isIP } from 'node:net';
import type { IpPermission, SecurityGroupRule } from '@aws-sdk/client-ec2';
import { BonamiError, UsageError } from '../core/errors.ts';
import { isId, type VpcId } from '../core/ids.ts';
import type { Ec2Context } from '../ec2/context.ts';

export const RULE_OPTIONS = {
  proto: {
    type: 'string',
    describe: 'tcp, udp, icmp, icmpv6, all, or a protocol number',
    defaultDescription: 'tcp',
  },
  port: { alias: 'p', type: 'string', describe: 'PORT or FROM-TO' },
  type: { type: 'number', describe: 'ICMP type; without it every one' },
  code: { type: 'number', describe: 'ICMP code; without it every one' },
  from: {
    type: 'string',
    array: true,
    nargs: 1,
    describe: 'CIDR block of either family, group or prefix list; repeatable',
    defaultDescription: '0.0.0.0/0',
  },
  to: { type: 'string', array: true, nargs: 1, describe: 'the same for what leaves: a rule with --egress' },
  egress: { type: 'boolean', describe: 'a rule for what leaves' },
  description: { type: 'string', describe: 'a few words about the rule' },
} as const;

export interface RuleWords {
  readonly proto?: string | undefined;
  readonly port?: string | undefined;
  readonly type?: number | undefined;
  readonly code?: number | undefined;
  readonly from?: readonly string[] | undefined;
  readonly to?: readonly string[] | undefined;
  readonly egress?: boolean | undefined;
  readonly description?: string | undefined;
}

/** Whether words are about what leaves. */
export function isEgress({ egress, from, to }: RuleWords): boolean {
  if (from !== undefined && to !== undefined)
    throw new UsageError('a rule has one other end: --from for what arrives, --to for what leaves', {
      hint: 'two commands, one for each direction',
    });
  return egress ?? to !== undefined;
}

/** A rule's words as one permission. `vpcId` is its group's: names of groups are unique in a VPC. */
export async function permissionOf(ctx: Ec2Context, vpcId: VpcId, words: RuleWords): Promise<IpPermission> {
  const traffic = trafficOf(words);
  const anywhere = traffic.IpProtocol === 'icmpv6' ? '::/0' : '0.0.0.0/0';
  const described = words.description === undefined ? {} : { Description: words.description };
  const peers: IpPermission = {};
  for (const word of words.to ?? words.from ?? [anywhere]) {
    const peer = await peerOf(ctx, vpcId, word);
    if (peer.kind === 'ipv4') (peers.IpRanges ??= []).push({ CidrIp: peer.cidr, ...described });
    if (peer.kind === 'ipv6') (peers.Ipv6Ranges ??= []).push({ CidrIpv6: peer.cidr, ...described });
    if (peer.kind === 'list') (peers.PrefixListIds ??= []).push({ PrefixListId: peer.id, ...described });
    if (peer.kind === 'group') (peers.UserIdGroupPairs ??= []).push({ GroupId: peer.id, ...described });
  }
  return { ...traffic, ...peers };
}

/** Protocol and ports, or type and code. */
export function trafficOf({ proto = 'tcp', port, type, code }: RuleWords): IpPermission {
  const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(port ?? '') ?? [];
  if (port !== undefined && first === undefined)
    throw new UsageError(`'${port}' is not a port or a range of ports`, { hint: '-p 80 or -p 8000-8100' });
  const name = NUMBERS[proto] ?? proto.toLowerCase();
  const isIcmp = name === 'icmp' || name === 'icmpv6';
  const hasPorts = name === 'tcp' || name === 'udp';
  if (hasPorts && first === undefined)
    throw new UsageError(`a ${name} rule needs a port`, { hint: '-p 80, or --proto all' });
  if (!hasPorts && port !== undefined)
    throw new UsageError(`a rule for ${proto} has no port`, { hint: '--proto tcp -p 80, or no -p' });
  if (!isIcmp && (type !== undefined || code !== undefined))
    throw new UsageError(`a rule for ${proto} has no ICMP type or code`, { hint: '--proto icmp --type 8' });
  if (code !== undefined && type === undefined)
    throw new UsageError('an ICMP code belongs to a type', { hint: `--type 3 --code ${code}` });
  if (isIcmp) return { IpProtocol: name, FromPort: type ?? -1, ToPort: code ?? -1 };
  if (hasPorts) return { IpProtocol: name, FromPort: Number(first), ToPort: Number(last) };
  return { IpProtocol: name === 'all' ? '-1' : name };
}

/** Protocols that EC2 knows by name. */
const NUMBERS: Readonly<Record<string, string>> = {
  '1': 'icmp',
  '6': 'tcp',
  '17': 'udp',
  '58': 'icmpv6',
  '-1': 'all',
};

type Peer =
  | { readonly kind: 'ipv4' | 'ipv6'; readonly cidr: string }
  | { readonly kind: 'group' | 'list'; readonly id: string };

async function peerOf(ctx: Ec2Context, vpcId: VpcId, word: string): Promise<Peer> {
  const family = isIP(word);
  if (family !== 0)
    throw new UsageError(`'${word}' is an address, not a CIDR block`, {
      hint: `${word}/${family === 4 ? 32 : 128}`,
    });
  if (word.includes('/')) return { kind: word.includes(':') ? 'ipv6' : 'ipv4', cidr: word };
  const { resolveId } = await import('../ec2/resolve-resource.ts');
  const list = (): Peer => ({ kind: 'list', id: resolveId(ctx.db, 'prefixList', word) });
  if (word.startsWith('pl-')) return list();
  const { resolveSecurityGroupId } = await import('../ec2/security-groups/resolve-security-groups.ts');
  try {
    return { kind: 'group', id: resolveSecurityGroupId(ctx.db, word, vpcId) };
  } catch (error) {
    // A prefix list has a name as well; when there is none either, the group is what was missed.
    if (!(error instanceof BonamiError) || isId('securityGroup', word)) throw error;
    try {
      return list();
    } catch {
      throw error;
    }
  }
}

/** `tcp/80`, `udp/8000-8100`, `icmp type 8`, `everything`. */
export function trafficText({ IpProtocol = '-1', FromPort, ToPort }: SecurityGroupRule): string {
  if (IpProtocol === '-1') return 'everything';
  if (IpProtocol === 'tcp' || IpProtocol === 'udp')
    return `${IpProtocol}/${FromPort === ToPort ? FromPort : `${FromPort}-${ToPort}`}`;
  if (!IpProtocol.startsWith('icmp')) return `protocol ${IpProtocol}`;
  if (FromPort === undefined || FromPort < 0) return IpProtocol;
  return `${IpProtocol} type ${FromPort}${ToPort === undefined || ToPort < 0 ? '' : ` code ${ToPort}`}`;
}

export function peerText(rule: SecurityGroupRule): string {
  const { ReferencedGroupInfo: group } = rule;
  if (group === undefined) return rule.CidrIpv4 ?? rule.CidrIpv6 ?? rule.PrefixListId ?? '';
  return `${group.GroupId}${group.PeeringStatus === 'deleted' ? ' (gone)' : ''}`;
}
