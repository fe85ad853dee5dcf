import type { SecurityGroup, SecurityGroupRule } from '@aws-sdk/client-ec2';
import { defineCommand, defineGroup } from '../define-command.ts';
import { findGroup, GROUP, rulesOf } from '../find-group.ts';
import { nameOf, TAG_OPTIONS, tagSpecifications } from '../name-tag.ts';
import { OF_VPC, ofVpc } from '../network-options.ts';
import type { Output } from '../output.ts';
import { peerText, trafficText } from '../rule-words.ts';
import { authorize, modify, revoke } from './sg-rules.ts';
import { why } from './sg-why.ts';

const ls = defineCommand({
  command: 'ls',
  describe: 'security groups',
  options: { vpc: OF_VPC },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { describeSecurityGroups } = await import('../../ec2/security-groups/describe-security-groups.ts');
    const response = await describeSecurityGroups(ctx, await ofVpc(ctx, args.vpc));
    out.result(response, () =>
      out.table(
        ['GROUP', 'NAME', 'VPC', 'DESCRIPTION'],
        (response.SecurityGroups ?? []).map((each) => [
          each.GroupId ?? '',
          each.GroupName ?? '',
          each.VpcId ?? '',
          each.Description ?? '',
        ]),
      ),
    );
  },
});

const show = defineCommand({
  command: 'show <group>',
  describe: 'the rules of a group, with their ids',
  positionals: { group: GROUP },
  examples: [['sg show web', 'what may reach its members, and what they may reach']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const group = await findGroup(ctx, String(args['group']));
    const rules = await rulesOf(ctx, group.GroupId);
    out.result({ ...group, SecurityGroupRules: rules }, () => print(out, group, rules));
  },
});

const create = defineCommand({
  command: 'create <name>',
  describe: 'make a group: nothing in, everything out',
  positionals: { name: { type: 'string', describe: 'a name for it, unique in its VPC' } },
  options: {
    vpc: { type: 'string', describe: 'VPC, by id or name', defaultDescription: 'the default VPC' },
    description: { type: 'string', describe: 'a sentence about it' },
    tag: TAG_OPTIONS.tag,
  },
  examples: [
    ['sg create web', 'in the default VPC'],
    ['sg create db --vpc lab --description "the databases"', 'in the VPC called lab'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveVpc } = await import('../../ec2/resolve-in-vpc.ts');
    const { createSecurityGroup } = await import('../../ec2/security-groups/create-security-group.ts');
    const name = String(args['name']);
    const response = await createSecurityGroup(ctx, {
      GroupName: name,
      Description: args.description ?? name,
      ...(args.vpc === undefined ? {} : { VpcId: await resolveVpc(ctx, args.vpc) }),
      TagSpecifications: tagSpecifications('security-group', { tag: args.tag }),
    });
    out.result(response, () => out.line(`${response.GroupId}  ${name}`));
  },
});

const rm = defineCommand({
  command: 'rm <group>',
  describe: 'remove a group that nothing uses',
  positionals: { group: GROUP },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { deleteSecurityGroup } = await import('../../ec2/security-groups/delete-security-group.ts');
    const group = await findGroup(ctx, String(args['group']));
    const response = await deleteSecurityGroup(ctx, { GroupId: group.GroupId });
    out.result(response, () => out.line(`${group.GroupId}  removed`));
  },
});

export const sg = defineGroup(
  'sg',
  'security groups: list, show, create, change, remove, and why traffic does not get through',
  [ls, show, create, authorize, revoke, modify, why, rm],
);

function print(out: Output, group: SecurityGroup, rules: readonly SecurityGroupRule[]): void {
  out.facts([
    ['group', group.GroupId],
    ['name', group.GroupName],
    ['tag', nameOf(group.Tags)],
    ['description', group.Description],
    ['vpc', group.VpcId],
  ]);
  out.line();
  out.table(
    ['RULE', 'ALLOWS', 'TRAFFIC', 'FROM/TO', 'DESCRIPTION'],
    rules.map((rule) => [
      rule.SecurityGroupRuleId ?? '',
      rule.IsEgress === true ? 'out' : 'in',
      trafficText(rule),
      peerText(rule),
      rule.Description ?? '',
    ]),
  );
}
