import { UsageError } from '../../core/errors.ts';
import { defineCommand, defineGroup } from '../define-command.ts';
import { nameOf, TAG_OPTIONS, tagSpecifications, withName } from '../name-tag.ts';
import { BY_NAME } from '../network-options.ts';

const ls = defineCommand({
  command: 'ls',
  describe: 'sets of DHCP options',
  handler: async (_args, { out, open }) => {
    const { describeDhcpOptions } = await import('../../ec2/dhcp-options/describe-dhcp-options.ts');
    const response = describeDhcpOptions(open(), {});
    out.result(response, () =>
      out.table(
        ['OPTIONS', 'NAME', 'WHAT'],
        (response.DhcpOptions ?? []).map((each) => [
          each.DhcpOptionsId ?? '',
          nameOf(each.Tags),
          (each.DhcpConfigurations ?? [])
            .map(({ Key, Values = [] }) => `${Key}=${Values.map(({ Value }) => Value).join(',')}`)
            .join(' '),
        ]),
      ),
    );
  },
});

const servers = (describe: string) => ({ type: 'string', array: true, nargs: 1, describe }) as const;
const optionsOfSet = {
  'domain-name': { type: 'string', describe: 'what unqualified names end in' },
  'domain-name-servers': servers('address, or AmazonProvidedDNS for our own; up to four'),
  'ntp-servers': servers('address of a time server; up to four'),
  'netbios-name-servers': servers('address of a WINS server; up to four'),
  'netbios-node-type': {
    type: 'string',
    choices: ['1', '2', '4', '8'],
    describe: '2 is what Windows asks for',
  },
} as const;

const create = defineCommand({
  command: 'create',
  describe: 'make a set of DHCP options; each option is repeatable where it may have several values',
  options: { ...optionsOfSet, ...TAG_OPTIONS },
  examples: [
    ['dhcp create --domain-name lab.example -n lab', 'then: dhcp associate lab lab'],
    ['dhcp create --domain-name-servers 10.0.0.53 --domain-name-servers AmazonProvidedDNS', 'two resolvers'],
  ],
  handler: async (args, { out, open }) => {
    const given = (Object.keys(optionsOfSet) as (keyof typeof optionsOfSet)[]).flatMap((Key) =>
      args[Key] === undefined ? [] : [{ Key, Values: [args[Key]].flat() }],
    );
    if (given.length === 0)
      throw new UsageError('a set needs an option', { hint: '--domain-name lab.example' });
    const { createDhcpOptions } = await import('../../ec2/dhcp-options/create-dhcp-options.ts');
    const response = createDhcpOptions(open(), {
      DhcpConfigurations: given,
      TagSpecifications: tagSpecifications('dhcp-options', args),
    });
    out.result(response, () => out.line(withName(response.DhcpOptions?.DhcpOptionsId, args.name)));
  },
});

const associate = defineCommand({
  command: 'associate <vpc> <options>',
  describe: "what a VPC's instances are told, when they renew their leases",
  positionals: {
    vpc: { type: 'string', describe: `${BY_NAME}; or default` },
    options: { type: 'string', describe: `set of options: ${BY_NAME}; default for EC2's own` },
  },
  examples: [
    ['dhcp associate lab lab', 'the VPC lab uses the set lab'],
    ['dhcp associate lab default', "back to EC2's own"],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveVpc } = await import('../../ec2/resolve-in-vpc.ts');
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { associateDhcpOptions } = await import('../../ec2/dhcp-options/associate-dhcp-options.ts');
    const VpcId = await resolveVpc(ctx, String(args['vpc']));
    const wanted = String(args['options']);
    const DhcpOptionsId = wanted === 'default' ? wanted : resolveId(ctx.db, 'dhcpOptions', wanted);
    out.result(await associateDhcpOptions(ctx, { VpcId, DhcpOptionsId }), () =>
      out.line(`${VpcId}  uses ${DhcpOptionsId}`),
    );
  },
});

const rm = defineCommand({
  command: 'rm <options>',
  describe: 'remove a set of DHCP options that no VPC uses',
  positionals: { options: { type: 'string', describe: BY_NAME } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { deleteDhcpOptions } = await import('../../ec2/dhcp-options/delete-dhcp-options.ts');
    const DhcpOptionsId = resolveId(ctx.db, 'dhcpOptions', String(args['options']));
    out.result(deleteDhcpOptions(ctx, { DhcpOptionsId }), () => out.line(`${DhcpOptionsId}  removed`));
  },
});

export const dhcp = defineGroup('dhcp', 'DHCP options of VPCs: list, create, associate, remove', [
  ls,
  create,
  associate,
  rm,
]);
