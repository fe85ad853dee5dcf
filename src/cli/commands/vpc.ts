import type { Vpc } from '@aws-sdk/client-ec2';
import { UsageError } from '../../core/errors.ts';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand, defineGroup, type CommandTools } from '../define-command.ts';
import { nameOf, TAG_OPTIONS, tagSpecifications, withName } from '../name-tag.ts';
import { BY_NAME, onOff } from '../network-options.ts';
import { show } from './vpc-show.ts';

const VPC = { vpc: { type: 'string', describe: `${BY_NAME}; or default` } } as const;

const ls = defineCommand({
  command: 'ls',
  describe: 'VPCs',
  handler: async (_args, { out, open }) => {
    const { describeVpcs } = await import('../../ec2/vpcs/describe-vpcs.ts');
    const response = await describeVpcs(open(), {});
    out.result(response, () =>
      out.table(
        ['VPC', 'NAME', 'CIDR', 'IPV6', 'DHCP', 'DEFAULT'],
        (response.Vpcs ?? []).map((each) => [
          each.VpcId ?? '',
          nameOf(each.Tags),
          each.CidrBlock ?? '',
          ipv6BlockOf(each),
          each.DhcpOptionsId ?? '',
          each.IsDefault === true ? 'yes' : 'no',
        ]),
      ),
    );
  },
});

const create = defineCommand({
  command: 'create [cidr]',
  describe: 'make a VPC: a network of its own, with a route table, an ACL and a security group',
  positionals: {
    cidr: { type: 'string', describe: 'IPv4 block from /16 to /28; other VPCs may have it too' },
  },
  options: {
    ...TAG_OPTIONS,
    ipv6: { type: 'boolean', describe: 'with IPv6: a /56 of unique local addresses' },
    default: { type: 'boolean', describe: 'the default VPC, with its subnets and its way out' },
  },
  examples: [
    ['vpc create 10.0.0.0/16 -n lab', 'then: subnet create lab 10.0.1.0/24'],
    ['vpc create 10.1.0.0/16 -n six --ipv6', 'with an IPv6 block as well'],
    ['vpc create --default', 'the default VPC again, after vpc rm default'],
  ],
  handler: async (args, { out, open }) => {
    if (args.default === true) return createDefault(args, { out, open });
    const { cidr } = args;
    if (cidr === undefined)
      throw new UsageError('which block?', { hint: 'bonami vpc create 10.0.0.0/16, or --default' });
    const { createVpc } = await import('../../ec2/vpcs/create-vpc.ts');
    const response = await createVpc(open(), {
      CidrBlock: cidr as string,
      AmazonProvidedIpv6CidrBlock: args.ipv6 === true,
      TagSpecifications: tagSpecifications('vpc', args),
    });
    const { VpcId, CidrBlock } = response.Vpc ?? {};
    out.result(response, () => out.line(`${withName(VpcId, args.name)}  ${CidrBlock}`));
  },
});

const set = defineCommand({
  command: 'set <vpc>',
  describe: 'change what a VPC has',
  positionals: VPC,
  options: {
    dns: onOff('whether its resolver answers'),
    hostnames: onOff('whether instances get public host names'),
    ipv6: onOff('an IPv6 block: a /56 of unique local addresses'),
  },
  examples: [
    ['vpc set lab --ipv6 on', 'then: subnet set web --ipv6 on'],
    ['vpc set lab --dns off', 'its instances are told no resolver'],
  ],
  handler: async (args, { out, open }) => {
    if ((args.dns ?? args.hostnames ?? args.ipv6) === undefined)
      throw new UsageError('nothing to change', { hint: '--dns, --hostnames or --ipv6' });
    const ctx = open();
    const { resolveVpc } = await import('../../ec2/resolve-in-vpc.ts');
    const { modifyVpcAttribute } = await import('../../ec2/vpcs/modify-vpc-attribute.ts');
    const VpcId = await resolveVpc(ctx, String(args['vpc']));
    // Names need DNS: it is switched on before them, and off after them.
    const names = async (): Promise<unknown> =>
      args.hostnames === undefined
        ? undefined
        : modifyVpcAttribute(ctx, { VpcId, EnableDnsHostnames: { Value: args.hostnames === 'on' } });
    if (args.hostnames === 'off') await names();
    if (args.dns !== undefined)
      await modifyVpcAttribute(ctx, { VpcId, EnableDnsSupport: { Value: args.dns === 'on' } });
    if (args.hostnames === 'on') await names();
    if (args.ipv6 !== undefined) await setIpv6(ctx, VpcId, args.ipv6);
    out.result({}, () => out.line(`${VpcId}  changed`));
  },
});

const rm = defineCommand({
  command: 'rm <vpc>',
  describe: 'remove a VPC that nothing is left in',
  positionals: VPC,
  examples: [['vpc rm lab', 'its default group, ACL and main route table go with it']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveVpc } = await import('../../ec2/resolve-in-vpc.ts');
    const { deleteVpc } = await import('../../ec2/vpcs/delete-vpc.ts');
    const VpcId = await resolveVpc(ctx, String(args['vpc']));
    out.result(await deleteVpc(ctx, { VpcId }), () => out.line(`${VpcId}  removed`));
  },
});

export const vpc = defineGroup('vpc', 'virtual private clouds: list, show, create, change, remove', [
  ls,
  show,
  create,
  set,
  rm,
]);

async function createDefault(
  args: Readonly<Record<string, unknown>>,
  { out, open }: Pick<CommandTools, 'out' | 'open'>,
): Promise<void> {
  if (['cidr', 'ipv6', 'name', 'tag'].some((each) => args[each] !== undefined))
    throw new UsageError('the default VPC is made as it is', { hint: 'bonami vpc create --default' });
  const { createDefaultVpc } = await import('../../ec2/vpcs/create-default-vpc.ts');
  const response = await createDefaultVpc(open(), {});
  out.result(response, () => out.line(`${response.Vpc?.VpcId}  ${response.Vpc?.CidrBlock}`));
}

async function setIpv6(ctx: Ec2Context, VpcId: string, wanted: 'on' | 'off'): Promise<void> {
  const { describeVpcs } = await import('../../ec2/vpcs/describe-vpcs.ts');
  const { Vpcs: [found] = [] } = await describeVpcs(ctx, { VpcIds: [VpcId] });
  const association = found?.Ipv6CidrBlockAssociationSet?.[0]?.AssociationId;
  if (wanted === 'on') {
    const { associateVpcCidrBlock } = await import('../../ec2/vpcs/associate-vpc-cidr-block.ts');
    if (association === undefined)
      await associateVpcCidrBlock(ctx, { VpcId, AmazonProvidedIpv6CidrBlock: true });
  } else if (association !== undefined) {
    const { disassociateVpcCidrBlock } = await import('../../ec2/vpcs/disassociate-vpc-cidr-block.ts');
    await disassociateVpcCidrBlock(ctx, { AssociationId: association });
  }
}

function ipv6BlockOf({ Ipv6CidrBlockAssociationSet = [] }: Vpc): string {
  return Ipv6CidrBlockAssociationSet.map(({ Ipv6CidrBlock }) => Ipv6CidrBlock ?? '').join(' ');
}
