import type { SecurityGroupRule, SecurityGroupRuleRequest } from '@aws-sdk/client-ec2';
import { UsageError } from '../../core/errors.ts';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand } from '../define-command.ts';
import { findGroup, GROUP, rulesOf, type FoundGroup } from '../find-group.ts';
import { isEgress, permissionOf, RULE_OPTIONS, trafficOf, type RuleWords } from '../rule-words.ts';

export const authorize = defineCommand({
  command: 'authorize <group>',
  describe: 'allow traffic; applies at once to running instances',
  positionals: { group: GROUP },
  options: RULE_OPTIONS,
  examples: [
    ['sg authorize web -p 80', 'HTTP from everywhere'],
    ['sg authorize db -p 5432 --from web', "PostgreSQL from the group web's members"],
    ['sg authorize web -p 443 --from 0.0.0.0/0 --from ::/0', 'HTTPS over IPv4 and IPv6'],
    ['sg authorize web --proto icmp --type 8', 'pings'],
    ['sg authorize db -p 443 --to offices', 'what leaves, to the blocks of the prefix list offices'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const group = await findGroup(ctx, String(args['group']));
    const request = { GroupId: group.GroupId, IpPermissions: [await permissionOf(ctx, group.VpcId, args)] };
    const module = await import('../../ec2/security-groups/authorize-security-group-ingress.ts');
    const authorizeRule = isEgress(args)
      ? module.authorizeSecurityGroupEgress
      : module.authorizeSecurityGroupIngress;
    const response = await authorizeRule(ctx, request);
    out.result(response, () => {
      out.line(`${group.GroupId}  authorized`);
      for (const { SecurityGroupRuleId } of response.SecurityGroupRules ?? [])
        out.info(`  ${SecurityGroupRuleId}`);
    });
  },
});

export const revoke = defineCommand({
  command: 'revoke <group> [rules..]',
  describe: 'take back rules, by id or by what they say; connections that they let in go on',
  positionals: {
    group: GROUP,
    rules: { type: 'string', array: true, describe: 'sgr-…, as sg show prints them' },
  },
  options: RULE_OPTIONS,
  examples: [
    ['sg revoke web -p 80', 'the rule that says so'],
    ['sg revoke web sgr-0123456789abcdef0', 'the rule with this id'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const group = await findGroup(ctx, String(args['group']));
    const ids = (args['rules'] as string[] | undefined) ?? [];
    const responses =
      ids.length > 0 ? await revokeById(ctx, group, ids, args) : await revokeByWords(ctx, group, args);
    out.result(responses, () => out.line(`${group.GroupId}  revoked`));
  },
});

export const modify = defineCommand({
  command: 'modify <group> <rule>',
  describe: 'change a rule: what is not named stays',
  positionals: { group: GROUP, rule: { type: 'string', describe: 'sgr-…, as sg show prints it' } },
  options: RULE_OPTIONS,
  examples: [
    ['sg modify web sgr-0123 -p 8080', 'another port'],
    ['sg modify web sgr-0123 --description "the load balancer"', 'another description'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const group = await findGroup(ctx, String(args['group']));
    const [rule] = namedRules(await rulesOf(ctx, group.GroupId), [String(args['rule'])]);
    const { modifySecurityGroupRules } =
      await import('../../ec2/security-groups/modify-security-group-rules.ts');
    const changed = await modifySecurityGroupRules(ctx, {
      GroupId: group.GroupId,
      SecurityGroupRules: [
        {
          SecurityGroupRuleId: rule?.SecurityGroupRuleId,
          SecurityGroupRule: await changedRule(ctx, group, rule ?? {}, args),
        },
      ],
    });
    out.result(changed, () => out.line(`${rule?.SecurityGroupRuleId}  modified`));
  },
});

/** The rules with these ids, or with ids that begin so and no other does. */
function namedRules(
  rules: readonly SecurityGroupRule[],
  ids: readonly string[],
): readonly SecurityGroupRule[] {
  return ids.map((id) => {
    const [found, ...others] = rules.filter(({ SecurityGroupRuleId = '' }) =>
      SecurityGroupRuleId.startsWith(id),
    );
    if (found === undefined || others.length > 0 || !id.startsWith('sgr-'))
      throw new UsageError(`'${id}' is not the id of one rule of this group`, {
        hint: 'bonami sg show GROUP',
      });
    return found;
  });
}

async function revokeById(
  ctx: Ec2Context,
  group: FoundGroup,
  ids: readonly string[],
  words: RuleWords,
): Promise<unknown> {
  if (Object.keys(RULE_OPTIONS).some((name) => words[name as keyof RuleWords] !== undefined))
    throw new UsageError('rules are named by their ids, or by what they say', {
      hint: `bonami sg revoke ${group.GroupName} ${ids.join(' ')}`,
    });
  const rules = namedRules(await rulesOf(ctx, group.GroupId), ids);
  const module = await import('../../ec2/security-groups/revoke-security-group-ingress.ts');
  const revoked = [];
  for (const [egress, revokeRules] of [
    [false, module.revokeSecurityGroupIngress],
    [true, module.revokeSecurityGroupEgress],
  ] as const) {
    const mine = rules.filter(({ IsEgress }) => IsEgress === egress);
    if (mine.length === 0) continue;
    const { RevokedSecurityGroupRules = [] } = await revokeRules(ctx, {
      GroupId: group.GroupId,
      SecurityGroupRuleIds: mine.flatMap(({ SecurityGroupRuleId }) => SecurityGroupRuleId ?? []),
    });
    revoked.push(...RevokedSecurityGroupRules);
  }
  return { Return: true, RevokedSecurityGroupRules: revoked };
}

async function revokeByWords(ctx: Ec2Context, group: FoundGroup, words: RuleWords): Promise<unknown> {
  const request = { GroupId: group.GroupId, IpPermissions: [await permissionOf(ctx, group.VpcId, words)] };
  const module = await import('../../ec2/security-groups/revoke-security-group-ingress.ts');
  return isEgress(words)
    ? module.revokeSecurityGroupEgress(ctx, request)
    : module.revokeSecurityGroupIngress(ctx, request);
}

/** A rule as it is, but for what the words name. */
async function changedRule(
  ctx: Ec2Context,
  group: FoundGroup,
  rule: SecurityGroupRule,
  words: RuleWords,
): Promise<SecurityGroupRuleRequest> {
  if (isEgress(words) !== rule.IsEgress && (words.from ?? words.to ?? words.egress) !== undefined)
    throw new UsageError("a rule's direction cannot be changed", {
      hint: 'revoke it, and authorize another one',
    });
  const { IpProtocol, FromPort, ToPort, CidrIpv4, CidrIpv6, PrefixListId, ReferencedGroupInfo } = rule;
  const namesTraffic = [words.proto, words.port, words.type, words.code].some((each) => each !== undefined);
  const peer = words.to ?? words.from;
  if (peer !== undefined && peer.length > 1)
    throw new UsageError('a rule has one other end', {
      hint: 'bonami sg authorize, for a rule of its own for each of the others',
    });
  const { IpRanges, Ipv6Ranges, PrefixListIds, UserIdGroupPairs } =
    peer === undefined ? {} : await permissionOf(ctx, group.VpcId, { proto: 'all', from: peer });
  const present = { CidrIpv4, CidrIpv6, PrefixListId, ReferencedGroupId: ReferencedGroupInfo?.GroupId };
  return {
    ...(namesTraffic
      ? trafficOf({ ...words, proto: words.proto ?? IpProtocol })
      : { IpProtocol, FromPort, ToPort }),
    ...(peer === undefined
      ? present
      : {
          CidrIpv4: IpRanges?.[0]?.CidrIp,
          CidrIpv6: Ipv6Ranges?.[0]?.CidrIpv6,
          PrefixListId: PrefixListIds?.[0]?.PrefixListId,
          ReferencedGroupId: UserIdGroupPairs?.[0]?.GroupId,
        }),
    Description: words.description ?? rule.Description,
  };
}
