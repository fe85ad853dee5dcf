import { UsageError } from '../../core/errors.ts';
import { defineCommand, defineGroup } from '../define-command.ts';
import { nameOf, TAG_OPTIONS, tagSpecifications, withName } from '../name-tag.ts';
import { BY_NAME } from '../network-options.ts';

const IGW = { type: 'string', describe: `internet gateway: ${BY_NAME}` } as const;

const ls = defineCommand({
  command: 'ls',
  describe: 'internet gateways, and what they are attached to',
  handler: async (_args, { out, open }) => {
    const { describeInternetGateways } =
      await import('../../ec2/internet-gateways/describe-internet-gateways.ts');
    const response = await describeInternetGateways(open(), {});
    out.result(response, () =>
      out.table(
        ['GATEWAY', 'NAME', 'VPC'],
        (response.InternetGateways ?? []).map((each) => [
          each.InternetGatewayId ?? '',
          nameOf(each.Tags),
          (each.Attachments ?? []).map(({ VpcId }) => VpcId ?? '').join(' '),
        ]),
      ),
    );
  },
});

const create = defineCommand({
  command: 'create',
  describe: 'make an internet gateway, and attach it to a VPC',
  options: { vpc: { type: 'string', describe: 'the VPC to attach it to at once' }, ...TAG_OPTIONS },
  examples: [['igw create --vpc lab -n lab-igw', 'then: route add lab default lab-igw']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveVpc } = await import('../../ec2/resolve-in-vpc.ts');
    const { createInternetGateway } = await import('../../ec2/internet-gateways/create-internet-gateway.ts');
    const { attachInternetGateway } = await import('../../ec2/internet-gateways/attach-internet-gateway.ts');
    const { deleteInternetGateway } = await import('../../ec2/internet-gateways/delete-internet-gateway.ts');
    const VpcId = args.vpc === undefined ? undefined : await resolveVpc(ctx, args.vpc);
    const response = createInternetGateway(ctx, {
      TagSpecifications: tagSpecifications('internet-gateway', args),
    });
    const { InternetGatewayId } = response.InternetGateway ?? {};
    if (VpcId !== undefined)
      try {
        await attachInternetGateway(ctx, { InternetGatewayId, VpcId });
      } catch (error) {
        const { recordOf } = await import('../../ec2/resource-kinds.ts');
        // One that could not be attached is not what was asked for.
        if (recordOf(ctx.db, 'internetGateway', InternetGatewayId ?? '').vpcId === null)
          deleteInternetGateway(ctx, { InternetGatewayId });
        throw error;
      }
    out.result(response, () =>
      out.line(
        `${withName(InternetGatewayId, args.name)}${VpcId === undefined ? '' : `  attached to ${VpcId}`}`,
      ),
    );
  },
});

const attach = defineCommand({
  command: 'attach <igw> <vpc>',
  describe: 'attach an internet gateway to a VPC',
  positionals: { igw: IGW, vpc: { type: 'string', describe: `${BY_NAME}; or default` } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveVpc } = await import('../../ec2/resolve-in-vpc.ts');
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { attachInternetGateway } = await import('../../ec2/internet-gateways/attach-internet-gateway.ts');
    const VpcId = await resolveVpc(ctx, String(args['vpc']));
    const InternetGatewayId = resolveId(ctx.db, 'internetGateway', String(args['igw']));
    out.result(await attachInternetGateway(ctx, { InternetGatewayId, VpcId }), () =>
      out.line(`${InternetGatewayId}  attached to ${VpcId}`),
    );
  },
});

const detach = defineCommand({
  command: 'detach <igw>',
  describe: 'detach an internet gateway from its VPC; routes to it become blackholes',
  positionals: { igw: IGW },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { recordOf } = await import('../../ec2/resource-kinds.ts');
    const { detachInternetGateway } = await import('../../ec2/internet-gateways/detach-internet-gateway.ts');
    const InternetGatewayId = resolveId(ctx.db, 'internetGateway', String(args['igw']));
    const { vpcId: VpcId } = recordOf(ctx.db, 'internetGateway', InternetGatewayId);
    if (VpcId === null)
      throw new UsageError(`${InternetGatewayId} is attached to nothing`, { hint: 'bonami igw ls' });
    out.result(await detachInternetGateway(ctx, { InternetGatewayId, VpcId }), () =>
      out.line(`${InternetGatewayId}  detached from ${VpcId}`),
    );
  },
});

const rm = defineCommand({
  command: 'rm <igw>',
  describe: 'remove an internet gateway that is detached',
  positionals: { igw: IGW },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { deleteInternetGateway } = await import('../../ec2/internet-gateways/delete-internet-gateway.ts');
    const InternetGatewayId = resolveId(ctx.db, 'internetGateway', String(args['igw']));
    out.result(deleteInternetGateway(ctx, { InternetGatewayId }), () =>
      out.line(`${InternetGatewayId}  removed`),
    );
  },
});

export const igw = defineGroup('igw', 'internet gateways: list, create, attach, detach, remove', [
  ls,
  create,
  attach,
  detach,
  rm,
]);
