import type { CreateNetworkAclEntryRequest } from '@aws-sdk/client-ec2';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand, defineGroup } from '../define-command.ts';
import { nameOf, TAG_OPTIONS, tagSpecifications, withName } from '../name-tag.ts';
import { BY_NAME, OF_VPC, ofVpc } from '../network-options.ts';
import { entryOf, printAcl } from './acl-entry.ts';

const ACL = {
  type: 'string',
  describe: `network ACL: ${BY_NAME}; a VPC stands for its default one`,
} as const;
const NUMBER = { type: 'number', describe: 'from 1 to 32766; the lowest that matches decides' } as const;
const EGRESS = { type: 'boolean', default: false, describe: 'for what leaves the subnet' } as const;

const ls = defineCommand({
  command: 'ls',
  describe: 'network ACLs, and the subnets that use them',
  options: { vpc: OF_VPC },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { describeNetworkAcls } = await import('../../ec2/network-acls/describe-network-acls.ts');
    const response = await describeNetworkAcls(ctx, await ofVpc(ctx, args.vpc));
    out.result(response, () =>
      out.table(
        ['ACL', 'NAME', 'VPC', 'DEFAULT', 'SUBNETS'],
        (response.NetworkAcls ?? []).map((each) => [
          each.NetworkAclId ?? '',
          nameOf(each.Tags),
          each.VpcId ?? '',
          each.IsDefault === true ? 'yes' : 'no',
          (each.Associations ?? []).map(({ SubnetId }) => SubnetId ?? '').join(', '),
        ]),
      ),
    );
  },
});

const show = defineCommand({
  command: 'show <acl>',
  describe: 'the entries of a network ACL, in the order in which they are tried',
  positionals: { acl: ACL },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { describeNetworkAcls } = await import('../../ec2/network-acls/describe-network-acls.ts');
    const NetworkAclIds = [await resolve(ctx, args)];
    const [found] = (await describeNetworkAcls(ctx, { NetworkAclIds })).NetworkAcls ?? [];
    if (found) out.result(found, () => printAcl(out, found));
  },
});

const create = defineCommand({
  command: 'create <vpc>',
  describe: 'make a network ACL; it denies everything until it has entries',
  positionals: { vpc: { type: 'string', describe: `${BY_NAME}; or default` } },
  options: { ...TAG_OPTIONS },
  examples: [['acl create lab -n strict', 'then: acl add strict 100 allow -p 443, acl associate web strict']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveVpc } = await import('../../ec2/resolve-in-vpc.ts');
    const { createNetworkAcl } = await import('../../ec2/network-acls/create-network-acl.ts');
    const VpcId = await resolveVpc(ctx, String(args['vpc']));
    const response = createNetworkAcl(ctx, {
      VpcId,
      TagSpecifications: tagSpecifications('network-acl', args),
    });
    out.result(response, () => out.line(withName(response.NetworkAcl?.NetworkAclId, args.name)));
  },
});

const entryPositionals = {
  acl: ACL,
  number: NUMBER,
  action: { choices: ['allow', 'deny'], describe: 'what becomes of the traffic' },
} as const;
const entryOptions = {
  proto: { type: 'string', default: 'tcp', describe: 'tcp, udp, icmp, icmpv6, all or a number' },
  port: { alias: 'p', type: 'string', describe: 'PORT or FROM-TO; every port without it' },
  icmp: { type: 'string', describe: 'TYPE or TYPE/CODE; every one without it' },
  cidr: { type: 'string', default: '0.0.0.0/0', describe: 'IPv4 or IPv6 block of the other end' },
  egress: EGRESS,
} as const;

const add = defineCommand({
  command: 'add <acl> <number> <action>',
  describe: 'an entry; answers need one as well, for ACLs remember nothing',
  positionals: entryPositionals,
  options: entryOptions,
  examples: [
    ['acl add strict 100 allow -p 443', 'HTTPS may enter'],
    ['acl add strict 100 allow --egress -p 1024-65535', 'and its answers may leave'],
    [
      'acl add lab 50 deny --proto all --cidr 10.0.9.0/24',
      "nothing from that block, in the VPC's default ACL",
    ],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { createNetworkAclEntry } = await import('../../ec2/network-acls/create-network-acl-entry.ts');
    const request = { NetworkAclId: await resolve(ctx, args), ...entryOf(args) };
    out.result(await createNetworkAclEntry(ctx, request), () => out.line(`${label(request)} added`));
  },
});

const replace = defineCommand({
  command: 'replace <acl> <number> <action>',
  describe: 'the whole of an entry',
  positionals: entryPositionals,
  options: entryOptions,
  examples: [['acl replace strict 100 deny -p 443', 'HTTPS may enter no more']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { replaceNetworkAclEntry } = await import('../../ec2/network-acls/replace-network-acl-entry.ts');
    const request = { NetworkAclId: await resolve(ctx, args), ...entryOf(args) };
    out.result(await replaceNetworkAclEntry(ctx, request), () => out.line(`${label(request)} replaced`));
  },
});

const remove = defineCommand({
  command: 'remove <acl> <number>',
  describe: 'remove an entry',
  positionals: { acl: ACL, number: NUMBER },
  options: { egress: EGRESS },
  examples: [['acl remove strict 100', 'what it said of arriving traffic']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { deleteNetworkAclEntry } = await import('../../ec2/network-acls/delete-network-acl-entry.ts');
    const request = {
      NetworkAclId: await resolve(ctx, args),
      RuleNumber: Number(args['number']),
      Egress: args.egress,
    };
    out.result(await deleteNetworkAclEntry(ctx, request), () => out.line(`${label(request)} removed`));
  },
});

const rm = defineCommand({
  command: 'rm <acl>',
  describe: 'remove a network ACL that no subnet uses',
  positionals: { acl: { type: 'string', describe: BY_NAME } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { deleteNetworkAcl } = await import('../../ec2/network-acls/delete-network-acl.ts');
    const NetworkAclId = resolveId(ctx.db, 'networkAcl', String(args['acl']));
    out.result(deleteNetworkAcl(ctx, { NetworkAclId }), () => out.line(`${NetworkAclId}  removed`));
  },
});

const associate = defineCommand({
  command: 'associate <subnet> <acl>',
  describe: 'the network ACL that a subnet uses',
  positionals: { subnet: { type: 'string', describe: BY_NAME }, acl: ACL },
  examples: [
    ['acl associate web strict', 'the subnet web uses the ACL strict'],
    ['acl associate web lab', "back to the VPC's default ACL"],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { recordOf } = await import('../../ec2/resource-kinds.ts');
    const { replaceNetworkAclAssociation } =
      await import('../../ec2/network-acls/replace-network-acl-association.ts');
    const subnetId = resolveId(ctx.db, 'subnet', String(args['subnet']));
    const NetworkAclId = await resolve(ctx, args);
    const AssociationId = recordOf(ctx.db, 'subnet', subnetId).networkAcl.associationId;
    out.result(await replaceNetworkAclAssociation(ctx, { AssociationId, NetworkAclId }), () =>
      out.line(`${subnetId}  uses ${NetworkAclId}`),
    );
  },
});

export const acl = defineGroup('acl', 'network ACLs: stateless rules at the borders of subnets', [
  ls,
  show,
  create,
  add,
  replace,
  remove,
  associate,
  rm,
]);

async function resolve(ctx: Ec2Context, args: Readonly<Record<string, unknown>>): Promise<string> {
  const { resolveNetworkAcl } = await import('../../ec2/resolve-in-vpc.ts');
  return resolveNetworkAcl(ctx, String(args['acl']));
}

function label({
  NetworkAclId,
  RuleNumber,
  Egress,
}: Pick<CreateNetworkAclEntryRequest, 'NetworkAclId' | 'RuleNumber' | 'Egress'>): string {
  return `${NetworkAclId}  ${Egress === true ? 'outbound' : 'inbound'} entry ${RuleNumber}`;
}
