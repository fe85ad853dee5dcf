import { defineCommand, defineGroup } from '../define-command.ts';
import { nameOf, TAG_OPTIONS, tagSpecifications, withName } from '../name-tag.ts';
import { BY_NAME } from '../network-options.ts';

const PEERING = { peering: { type: 'string', describe: BY_NAME } } as const;

const ls = defineCommand({
  command: 'ls',
  describe: 'peering connections between VPCs',
  handler: async (_args, { out, open }) => {
    const { describeVpcPeeringConnections } =
      await import('../../ec2/vpc-peering-connections/describe-vpc-peering-connections.ts');
    const response = describeVpcPeeringConnections(open(), {});
    out.result(response, () =>
      out.table(
        ['PEERING', 'NAME', 'STATE', 'VPC', 'CIDR', 'PEER', 'PEER CIDR'],
        (response.VpcPeeringConnections ?? []).map((each) => [
          each.VpcPeeringConnectionId ?? '',
          nameOf(each.Tags),
          each.Status?.Code ?? '',
          each.RequesterVpcInfo?.VpcId ?? '',
          each.RequesterVpcInfo?.CidrBlock ?? '',
          each.AccepterVpcInfo?.VpcId ?? '',
          each.AccepterVpcInfo?.CidrBlock ?? '',
        ]),
      ),
    );
  },
});

const create = defineCommand({
  command: 'create <vpc> <peer>',
  describe: 'join two VPCs; each needs a route to the other',
  positionals: {
    vpc: { type: 'string', describe: `${BY_NAME}; or default` },
    peer: { type: 'string', describe: 'the other one, whose block must not overlap' },
  },
  options: {
    pending: {
      type: 'boolean',
      default: false,
      describe: 'only ask for it: peering accept says yes, peering reject no',
    },
    ...TAG_OPTIONS,
  },
  examples: [
    ['peering create lab shop -n lab-shop', 'then: route add lab 10.1.0.0/16 lab-shop, and the other way'],
    ['peering create lab shop --pending', 'as between two owners'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveVpc } = await import('../../ec2/resolve-in-vpc.ts');
    const { createVpcPeeringConnection } =
      await import('../../ec2/vpc-peering-connections/create-vpc-peering-connection.ts');
    const { acceptVpcPeeringConnection } =
      await import('../../ec2/vpc-peering-connections/accept-vpc-peering-connection.ts');
    const asked = createVpcPeeringConnection(ctx, {
      VpcId: await resolveVpc(ctx, String(args['vpc'])),
      PeerVpcId: await resolveVpc(ctx, String(args['peer'])),
      TagSpecifications: tagSpecifications('vpc-peering-connection', args),
    });
    const { VpcPeeringConnectionId } = asked.VpcPeeringConnection ?? {};
    const response = args.pending ? asked : await acceptVpcPeeringConnection(ctx, { VpcPeeringConnectionId });
    const { RequesterVpcInfo, AccepterVpcInfo, Status } = response.VpcPeeringConnection ?? {};
    out.result(response, () => {
      out.line(`${withName(VpcPeeringConnectionId, args.name)}  ${Status?.Code}`);
      for (const [from, to] of [
        [RequesterVpcInfo, AccepterVpcInfo],
        [AccepterVpcInfo, RequesterVpcInfo],
      ] as const)
        out.info(`to route: bonami route add ${from?.VpcId} ${to?.CidrBlock} ${VpcPeeringConnectionId}`);
    });
  },
});

const accept = defineCommand({
  command: 'accept <peering>',
  describe: 'accept a pending peering connection',
  positionals: PEERING,
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { acceptVpcPeeringConnection } =
      await import('../../ec2/vpc-peering-connections/accept-vpc-peering-connection.ts');
    const VpcPeeringConnectionId = resolveId(ctx.db, 'vpcPeeringConnection', String(args['peering']));
    const response = await acceptVpcPeeringConnection(ctx, { VpcPeeringConnectionId });
    out.result(response, () => out.line(`${VpcPeeringConnectionId}  active`));
  },
});

const reject = defineCommand({
  command: 'reject <peering>',
  describe: 'turn a pending peering connection down; it is gone then',
  positionals: PEERING,
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { rejectVpcPeeringConnection } =
      await import('../../ec2/vpc-peering-connections/reject-vpc-peering-connection.ts');
    const VpcPeeringConnectionId = resolveId(ctx.db, 'vpcPeeringConnection', String(args['peering']));
    out.result(rejectVpcPeeringConnection(ctx, { VpcPeeringConnectionId }), () =>
      out.line(`${VpcPeeringConnectionId}  rejected`),
    );
  },
});

const rm = defineCommand({
  command: 'rm <peering>',
  describe: 'remove a peering connection, pending or active; routes through it become blackholes',
  positionals: PEERING,
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { deleteVpcPeeringConnection } =
      await import('../../ec2/vpc-peering-connections/delete-vpc-peering-connection.ts');
    const VpcPeeringConnectionId = resolveId(ctx.db, 'vpcPeeringConnection', String(args['peering']));
    out.result(await deleteVpcPeeringConnection(ctx, { VpcPeeringConnectionId }), () =>
      out.line(`${VpcPeeringConnectionId}  removed`),
    );
  },
});

export const peering = defineGroup(
  'peering',
  'peering connections between VPCs: list, create, accept, reject, remove',
  [ls, create, accept, reject, rm],
);
