import type { Route, RouteTable } from '@aws-sdk/client-ec2';
import { UsageError } from '../../core/errors.ts';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand, defineGroup } from '../define-command.ts';
import { nameOf, TAG_OPTIONS, tagSpecifications, withName } from '../name-tag.ts';
import { BY_NAME, OF_VPC, ofVpc } from '../network-options.ts';

const TABLE = { type: 'string', describe: `route table: ${BY_NAME}; a VPC stands for its main one` } as const;
const DESTINATION = { type: 'string', describe: 'IPv4 or IPv6 block; default is 0.0.0.0/0' } as const;
const TARGET = {
  type: 'string',
  describe: `internet or NAT gateway, peering, interface or instance: ${BY_NAME}`,
} as const;

const ls = defineCommand({
  command: 'ls',
  describe: 'route tables with their routes, and what uses them',
  options: { vpc: OF_VPC },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { describeRouteTables } = await import('../../ec2/route-tables/describe-route-tables.ts');
    const response = await describeRouteTables(ctx, await ofVpc(ctx, args.vpc));
    out.result(response, () =>
      out.table(
        ['TABLE', 'NAME', 'VPC', 'DESTINATION', 'TARGET', 'STATE', 'USED BY'],
        (response.RouteTables ?? []).flatMap((table) =>
          (table.Routes ?? []).map((route, index) => [
            ...(index === 0
              ? [table.RouteTableId ?? '', nameOf(table.Tags), table.VpcId ?? '']
              : ['', '', '']),
            route.DestinationCidrBlock ?? route.DestinationIpv6CidrBlock ?? '',
            targetOf(route),
            route.State ?? '',
            index === 0 ? usersOf(table) : '',
          ]),
        ),
      ),
    );
  },
});

const create = defineCommand({
  command: 'create <vpc>',
  describe: 'make a route table; subnets use it once it is associated with them',
  positionals: { vpc: { type: 'string', describe: `${BY_NAME}; or default` } },
  options: { ...TAG_OPTIONS },
  examples: [['route create lab -n private', 'then: route associate db private']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { createRouteTable } = await import('../../ec2/route-tables/create-route-table.ts');
    const { resolveVpc } = await import('../../ec2/resolve-in-vpc.ts');
    const VpcId = await resolveVpc(ctx, String(args['vpc']));
    const response = createRouteTable(ctx, {
      VpcId,
      TagSpecifications: tagSpecifications('route-table', args),
    });
    out.result(response, () => out.line(withName(response.RouteTable?.RouteTableId, args.name)));
  },
});

const add = defineCommand({
  command: 'add <table> <destination> <target>',
  describe: 'a route: what goes to a destination leaves by a target; applies at once',
  positionals: { table: TABLE, destination: DESTINATION, target: TARGET },
  examples: [
    ['route add lab default lab-igw', "the VPC lab's main table sends the rest to its internet gateway"],
    [
      'route add private 0.0.0.0/0 nat-0123',
      'instances without addresses of their own leave by a NAT gateway',
    ],
    ['route add lab 10.1.0.0/16 lab-to-shop', 'to a peered VPC; the other side needs one as well'],
    ['route add private 192.168.7.0/24 router', 'an instance forwards (eni set ENI --source-dest-check off)'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { createRoute } = await import('../../ec2/route-tables/create-route.ts');
    const request = await routeRequest(ctx, args);
    out.result(await createRoute(ctx, request), () => out.line(`${request.RouteTableId}  route added`));
  },
});

const replace = defineCommand({
  command: 'replace <table> <destination> <target>',
  describe: 'another target for a route',
  positionals: { table: TABLE, destination: DESTINATION, target: TARGET },
  examples: [['route replace private default nat-0456', 'leave by another NAT gateway']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { replaceRoute } = await import('../../ec2/route-tables/replace-route.ts');
    const request = await routeRequest(ctx, args);
    out.result(await replaceRoute(ctx, request), () => out.line(`${request.RouteTableId}  route replaced`));
  },
});

const remove = defineCommand({
  command: 'remove <table> <destination>',
  describe: 'remove a route',
  positionals: { table: TABLE, destination: DESTINATION },
  examples: [['route remove lab default', 'nothing leaves any more']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { deleteRoute } = await import('../../ec2/route-tables/delete-route.ts');
    const { resolveRouteTable } = await import('../../ec2/resolve-in-vpc.ts');
    const RouteTableId = await resolveRouteTable(ctx, String(args['table']));
    const destination = destinationOf(String(args['destination']));
    out.result(await deleteRoute(ctx, { RouteTableId, ...destination }), () =>
      out.line(`${RouteTableId}  route to ${Object.values(destination).join()} removed`),
    );
  },
});

const rm = defineCommand({
  command: 'rm <table>',
  describe: 'remove a route table that nothing uses',
  positionals: { table: { type: 'string', describe: BY_NAME } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { deleteRouteTable } = await import('../../ec2/route-tables/delete-route-table.ts');
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const RouteTableId = resolveId(ctx.db, 'routeTable', String(args['table']));
    out.result(deleteRouteTable(ctx, { RouteTableId }), () => out.line(`${RouteTableId}  removed`));
  },
});

const associate = defineCommand({
  command: 'associate <subnet> <table>',
  describe: 'the route table that a subnet uses, or the main one of a VPC',
  positionals: {
    subnet: {
      type: 'string',
      describe: `subnet: ${BY_NAME}; or a VPC, for subnets without one of their own`,
    },
    table: { type: 'string', describe: `route table: ${BY_NAME}` },
  },
  examples: [
    ['route associate db private', 'the subnet db uses the table private'],
    ['route associate lab public', "public becomes the VPC lab's main table"],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveSubnetOrVpc } = await import('../../ec2/resolve-in-vpc.ts');
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { recordOf } = await import('../../ec2/resource-kinds.ts');
    const user = await resolveSubnetOrVpc(ctx, String(args['subnet']));
    const RouteTableId = resolveId(ctx.db, 'routeTable', String(args['table']));
    const before =
      'vpcId' in user
        ? recordOf(ctx.db, 'vpc', user.vpcId).mainRouteTable
        : recordOf(ctx.db, 'subnet', user.subnetId).routeTable;
    const done = (): void => out.line(`${Object.values(user).join()}  uses ${RouteTableId}`);
    if (before === null && 'subnetId' in user) {
      const { associateRouteTable } = await import('../../ec2/route-tables/associate-route-table.ts');
      out.result(await associateRouteTable(ctx, { SubnetId: user.subnetId, RouteTableId }), done);
    } else {
      const { replaceRouteTableAssociation } =
        await import('../../ec2/route-tables/replace-route-table-association.ts');
      const AssociationId = before?.associationId;
      out.result(await replaceRouteTableAssociation(ctx, { AssociationId, RouteTableId }), done);
    }
  },
});

const disassociate = defineCommand({
  command: 'disassociate <subnet>',
  describe: "back to the VPC's main route table",
  positionals: { subnet: { type: 'string', describe: BY_NAME } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { recordOf } = await import('../../ec2/resource-kinds.ts');
    const { disassociateRouteTable } = await import('../../ec2/route-tables/disassociate-route-table.ts');
    const subnetId = resolveId(ctx.db, 'subnet', String(args['subnet']));
    const { routeTable } = recordOf(ctx.db, 'subnet', subnetId);
    if (routeTable === null)
      throw new UsageError(`${subnetId} has no route table of its own`, { hint: 'bonami route ls' });
    out.result(await disassociateRouteTable(ctx, { AssociationId: routeTable.associationId }), () =>
      out.line(`${subnetId}  uses the main route table`),
    );
  },
});

export const route = defineGroup('route', 'route tables and routes: where traffic goes', [
  ls,
  create,
  add,
  replace,
  remove,
  associate,
  disassociate,
  rm,
]);

async function routeRequest(
  ctx: Ec2Context,
  args: Readonly<Record<string, unknown>>,
): Promise<{ RouteTableId: string }> {
  const { resolveRouteTable, resolveRouteTarget } = await import('../../ec2/resolve-in-vpc.ts');
  const RouteTableId = await resolveRouteTable(ctx, String(args['table']));
  const destination = destinationOf(String(args['destination']));
  return { RouteTableId, ...destination, ...resolveRouteTarget(ctx.db, String(args['target'])) };
}

function destinationOf(
  word: string,
): { DestinationCidrBlock: string } | { DestinationIpv6CidrBlock: string } {
  if (word === 'default') return { DestinationCidrBlock: '0.0.0.0/0' };
  return word.includes(':') ? { DestinationIpv6CidrBlock: word } : { DestinationCidrBlock: word };
}

function targetOf(each: Route): string {
  const target =
    each.GatewayId ?? each.NatGatewayId ?? each.VpcPeeringConnectionId ?? each.NetworkInterfaceId ?? '';
  return each.InstanceId === undefined ? target : `${target} (${each.InstanceId})`;
}

function usersOf({ Associations = [] }: RouteTable): string {
  return Associations.map(({ Main, SubnetId }) => (Main === true ? 'main' : (SubnetId ?? ''))).join(', ');
}
