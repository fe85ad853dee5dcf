import { UsageError } from '../../core/errors.ts';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand, defineGroup } from '../define-command.ts';
import { nameOf, TAG_OPTIONS, tagSpecifications, withName } from '../name-tag.ts';
import { BY_NAME, OF_VPC, onOff, ofVpc } from '../network-options.ts';

const SUBNET = { subnet: { type: 'string', describe: BY_NAME } } as const;

const ls = defineCommand({
  command: 'ls',
  describe: 'subnets',
  options: { vpc: OF_VPC },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { describeSubnets } = await import('../../ec2/subnets/describe-subnets.ts');
    const response = await describeSubnets(ctx, await ofVpc(ctx, args.vpc));
    out.result(response, () =>
      out.table(
        ['SUBNET', 'NAME', 'VPC', 'CIDR', 'IPV6', 'ZONE', 'FREE'],
        (response.Subnets ?? []).map((each) => [
          each.SubnetId ?? '',
          nameOf(each.Tags),
          each.VpcId ?? '',
          each.CidrBlock ?? '',
          (each.Ipv6CidrBlockAssociationSet ?? []).map(({ Ipv6CidrBlock }) => Ipv6CidrBlock).join(' '),
          each.AvailabilityZone ?? '',
          String(each.AvailableIpAddressCount ?? ''),
        ]),
      ),
    );
  },
});

const create = defineCommand({
  command: 'create <vpc> <cidr>',
  describe: 'make a subnet in a VPC',
  positionals: {
    vpc: { type: 'string', describe: `${BY_NAME}; or default` },
    cidr: { type: 'string', describe: "IPv4 block from /16 to /28 inside the VPC's" },
  },
  options: {
    zone: { type: 'string', default: 'a', describe: 'a, b or c' },
    ...TAG_OPTIONS,
    ipv6: { type: 'boolean', describe: "with IPv6: the first free /64 of the VPC's block" },
    'ipv6-cidr': { type: 'string', describe: "with IPv6: this /64 of the VPC's block" },
  },
  examples: [
    ['subnet create lab 10.0.1.0/24 -n web', 'in zone a'],
    ['subnet create lab 10.0.2.0/24 -n db --zone b', 'in another zone'],
    ['subnet create six 10.1.0.0/24 --ipv6', 'with IPv6'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveVpc } = await import('../../ec2/resolve-in-vpc.ts');
    const { createSubnet } = await import('../../ec2/subnets/create-subnet.ts');
    const VpcId = await resolveVpc(ctx, String(args['vpc']));
    const ipv6 = args['ipv6-cidr'] ?? (args.ipv6 === true ? await freeIpv6Block(ctx, VpcId) : undefined);
    const response = await createSubnet(ctx, {
      VpcId,
      CidrBlock: String(args['cidr']),
      AvailabilityZone: args.zone.startsWith(ctx.region) ? args.zone : `${ctx.region}${args.zone}`,
      ...(ipv6 === undefined ? {} : { Ipv6CidrBlock: ipv6 }),
      TagSpecifications: tagSpecifications('subnet', args),
    });
    const { SubnetId, CidrBlock, AvailabilityZone } = response.Subnet ?? {};
    out.result(response, () =>
      out.line(`${withName(SubnetId, args.name)}  ${CidrBlock}  ${AvailabilityZone}`),
    );
  },
});

const set = defineCommand({
  command: 'set <subnet>',
  describe: 'change what a subnet has, or gives to what is launched in it',
  positionals: SUBNET,
  options: {
    ipv6: { type: 'string', describe: "on (the first free /64 of the VPC's block), off, or a /64 of it" },
    'assign-ipv6': onOff('an IPv6 address for every interface that is made from now on'),
  },
  examples: [
    ['subnet set web --ipv6 on --assign-ipv6 on', 'new interfaces get IPv6 addresses'],
    ['subnet set web --ipv6 off', 'once no interface has an IPv6 address there'],
  ],
  handler: async (args, { out, open }) => {
    if ((args.ipv6 ?? args['assign-ipv6']) === undefined)
      throw new UsageError('nothing to change', { hint: '--ipv6 or --assign-ipv6' });
    const ctx = open();
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { modifySubnetAttribute } = await import('../../ec2/subnets/modify-subnet-attribute.ts');
    const SubnetId = resolveId(ctx.db, 'subnet', String(args['subnet']));
    if (args.ipv6 !== undefined) await setIpv6(ctx, SubnetId, args.ipv6);
    if (args['assign-ipv6'] !== undefined)
      modifySubnetAttribute(ctx, {
        SubnetId,
        AssignIpv6AddressOnCreation: { Value: args['assign-ipv6'] === 'on' },
      });
    out.result({}, () => out.line(`${SubnetId}  changed`));
  },
});

const rm = defineCommand({
  command: 'rm <subnet>',
  describe: 'remove a subnet that has no interfaces',
  positionals: SUBNET,
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { deleteSubnet } = await import('../../ec2/subnets/delete-subnet.ts');
    const SubnetId = resolveId(ctx.db, 'subnet', String(args['subnet']));
    out.result(await deleteSubnet(ctx, { SubnetId }), () => out.line(`${SubnetId}  removed`));
  },
});

export const subnet = defineGroup('subnet', 'subnets of VPCs: list, create, change, remove', [
  ls,
  create,
  set,
  rm,
]);

async function setIpv6(ctx: Ec2Context, SubnetId: string, wanted: string): Promise<void> {
  const { recordOf } = await import('../../ec2/resource-kinds.ts');
  const { vpcId, ipv6 } = recordOf(ctx.db, 'subnet', SubnetId);
  if (wanted === 'off') {
    const { disassociateSubnetCidrBlock } =
      await import('../../ec2/subnets/disassociate-subnet-cidr-block.ts');
    if (ipv6 !== null) await disassociateSubnetCidrBlock(ctx, { AssociationId: ipv6.associationId });
    return;
  }
  if (wanted === 'on' && ipv6 !== null) return;
  const { associateSubnetCidrBlock } = await import('../../ec2/subnets/associate-subnet-cidr-block.ts');
  const Ipv6CidrBlock = wanted === 'on' ? await freeIpv6Block(ctx, vpcId) : wanted;
  await associateSubnetCidrBlock(ctx, { SubnetId, Ipv6CidrBlock });
}

async function freeIpv6Block(ctx: Ec2Context, vpcId: string): Promise<string> {
  const { recordOf } = await import('../../ec2/resource-kinds.ts');
  const { freeIpv6SubnetBlock } = await import('../../ec2/subnets/subnet-blocks.ts');
  const block = freeIpv6SubnetBlock(ctx.db, recordOf(ctx.db, 'vpc', vpcId));
  if (block === undefined)
    throw new UsageError(`the VPC ${vpcId} has no IPv6 block to take a part of`, {
      hint: `bonami vpc set ${vpcId} --ipv6 on`,
    });
  return block;
}
