import type { IpPermission, SecurityGroup } from '@aws-sdk/client-ec2';
import { UsageError } from '../../core/errors.ts';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand, defineGroup } from '../define-command.ts';
import type { Output } from '../output.ts';

const ls = defineCommand({
  command: 'ls',
  describe: 'security groups',
  handler: async (_args, { out, open }) => {
    const { describeSecurityGroups } = await import('../../ec2/security-groups/describe-security-groups.ts');
    const response = await describeSecurityGroups(open(), {});
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
  describe: 'the rules of a group',
  positionals: { group: { type: 'string', describe: 'id or name' } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const group = await find(ctx, String(args['group']));
    out.result(group, () => print(out, group));
  },
});

const create = defineCommand({
  command: 'create <name>',
  describe: 'make a group in the default VPC: nothing in, everything out',
  positionals: { name: { type: 'string', describe: 'a name for it' } },
  options: { description: { type: 'string', describe: 'a sentence about it' } },
  handler: async (args, { out, open }) => {
    const { createSecurityGroup } = await import('../../ec2/security-groups/create-security-group.ts');
    const name = String(args['name']);
    const response = await createSecurityGroup(open(), {
      GroupName: name,
      Description: args.description ?? name,
    });
    out.result(response, () => out.line(`${response.GroupId}  ${name}`));
  },
});

const ruleOptions = {
  proto: { type: 'string', describe: 'tcp, udp, icmp or all', default: 'tcp' },
  port: { alias: 'p', type: 'string', describe: 'PORT or FROM-TO' },
  from: { type: 'string', describe: 'CIDR block or group', default: '0.0.0.0/0' },
  egress: { type: 'boolean', describe: 'a rule for what leaves' },
} as const;

const authorize = defineCommand({
  command: 'authorize <group>',
  describe: 'allow traffic; applies at once to running instances',
  positionals: { group: { type: 'string', describe: 'id or name' } },
  options: ruleOptions,
  examples: [
    ['sg authorize web -p 80', 'HTTP from everywhere'],
    ['sg authorize db -p 5432 --from web', "PostgreSQL from the group web's members"],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const group = await find(ctx, String(args['group']));
    const request = { GroupId: group.GroupId, IpPermissions: [await permission(ctx, args)] };
    const module = await import('../../ec2/security-groups/authorize-security-group-ingress.ts');
    const authorizeRule =
      args.egress === true ? module.authorizeSecurityGroupEgress : module.authorizeSecurityGroupIngress;
    out.result(await authorizeRule(ctx, request), () => out.line(`${group.GroupId}  authorized`));
  },
});

const revoke = defineCommand({
  command: 'revoke <group>',
  describe: 'take back a rule; connections that it let in go on',
  positionals: { group: { type: 'string', describe: 'id or name' } },
  options: ruleOptions,
  handler: async (args, { out, open }) => {
    const ctx = open();
    const group = await find(ctx, String(args['group']));
    const request = { GroupId: group.GroupId, IpPermissions: [await permission(ctx, args)] };
    const module = await import('../../ec2/security-groups/revoke-security-group-ingress.ts');
    const revokeRule =
      args.egress === true ? module.revokeSecurityGroupEgress : module.revokeSecurityGroupIngress;
    out.result(await revokeRule(ctx, request), () => out.line(`${group.GroupId}  revoked`));
  },
});

const rm = defineCommand({
  command: 'rm <group>',
  describe: 'remove a group that nothing uses',
  positionals: { group: { type: 'string', describe: 'id or name' } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { deleteSecurityGroup } = await import('../../ec2/security-groups/delete-security-group.ts');
    const group = await find(ctx, String(args['group']));
    out.result(deleteSecurityGroup(ctx, { GroupId: group.GroupId }), () =>
      out.line(`${group.GroupId}  removed`),
    );
  },
});

export const sg = defineGroup('sg', 'security groups: list, show, create, authorize, revoke, remove', [
  ls,
  show,
  create,
  authorize,
  revoke,
  rm,
]);

async function find(ctx: Ec2Context, reference: string): Promise<SecurityGroup & { GroupId: string }> {
  const { describeSecurityGroups } = await import('../../ec2/security-groups/describe-security-groups.ts');
  const { SecurityGroups = [] } = await describeSecurityGroups(
    ctx,
    reference.startsWith('sg-') ? { GroupIds: [reference] } : { GroupNames: [reference] },
  );
  const [group] = SecurityGroups;
  if (group?.GroupId === undefined)
    throw new UsageError(`there is no security group '${reference}'`, { hint: 'bonami sg ls' });
  return { ...group, GroupId: group.GroupId };
}

interface RuleWords {
  readonly proto: string;
  readonly port: string | undefined;
  readonly from: string;
}

async function permission(ctx: Ec2Context, { proto, port, from }: RuleWords): Promise<IpPermission> {
  const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(port ?? '') ?? [];
  if (port !== undefined && first === undefined)
    throw new UsageError(`'${port}' is not a port or a range of ports`, { hint: '-p 80 or -p 8000-8100' });
  if ((proto === 'tcp' || proto === 'udp') && first === undefined)
    throw new UsageError(`a ${proto} rule needs a port`, { hint: '-p 80, or --proto all' });
  if ((proto === 'all' || proto === 'icmp') && port !== undefined)
    throw new UsageError(`a rule for ${proto} has no port`, { hint: '--proto tcp -p 80, or no -p' });
  if (/^[\d.]+$/.test(from))
    throw new UsageError(`'${from}' is an address, not a CIDR block`, { hint: `--from ${from}/32` });
  const source = from.includes('/')
    ? { IpRanges: [{ CidrIp: from }] }
    : { UserIdGroupPairs: [{ GroupId: (await find(ctx, from)).GroupId }] };
  if (proto === 'all') return { IpProtocol: '-1', ...source };
  if (proto === 'icmp') return { IpProtocol: 'icmp', FromPort: -1, ToPort: -1, ...source };
  return { IpProtocol: proto, FromPort: Number(first), ToPort: Number(last), ...source };
}

function print(out: Output, group: SecurityGroup): void {
  out.facts([
    ['group', group.GroupId],
    ['name', group.GroupName],
    ['description', group.Description],
    ['vpc', group.VpcId],
    ...(group.IpPermissions ?? []).map((each) => ['allows in', describe(each)] as const),
    ...(group.IpPermissionsEgress ?? []).map((each) => ['allows out', describe(each)] as const),
  ]);
}

function describe({
  IpProtocol,
  FromPort,
  ToPort,
  IpRanges = [],
  UserIdGroupPairs = [],
}: IpPermission): string {
  const what =
    IpProtocol === '-1'
      ? 'everything'
      : IpProtocol === 'icmp'
        ? 'icmp'
        : `${IpProtocol}/${FromPort === ToPort ? FromPort : `${FromPort}-${ToPort}`}`;
  const peers = [
    ...IpRanges.map(({ CidrIp, Description }) => `${CidrIp}${Description ? ` (${Description})` : ''}`),
    ...UserIdGroupPairs.map(({ GroupId }) => GroupId ?? ''),
  ];
  return `${what}: ${peers.join(', ')}`;
}
