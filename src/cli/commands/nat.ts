import { defineCommand, defineGroup } from '../define-command.ts';
import { nameOf, TAG_OPTIONS, tagSpecifications, withName } from '../name-tag.ts';
import { BY_NAME } from '../network-options.ts';

const ls = defineCommand({
  command: 'ls',
  describe: 'NAT gateways',
  handler: async (_args, { out, open }) => {
    const { describeNatGateways } = await import('../../ec2/nat-gateways/describe-nat-gateways.ts');
    const response = describeNatGateways(open(), {});
    out.result(response, () =>
      out.table(
        ['GATEWAY', 'NAME', 'STATE', 'VPC', 'SUBNET', 'PRIVATE', 'PUBLIC'],
        (response.NatGateways ?? []).map((each) => [
          each.NatGatewayId ?? '',
          nameOf(each.Tags),
          each.State ?? '',
          each.VpcId ?? '',
          each.SubnetId ?? '',
          each.NatGatewayAddresses?.[0]?.PrivateIp ?? '',
          each.NatGatewayAddresses?.[0]?.PublicIp ?? '',
        ]),
      ),
    );
  },
});

const create = defineCommand({
  command: 'create <subnet>',
  describe: 'make a NAT gateway: instances without addresses of their own leave by it',
  positionals: {
    subnet: { type: 'string', describe: `subnet with a way to an internet gateway: ${BY_NAME}` },
  },
  options: {
    eip: { type: 'string', describe: 'elastic address to leave with: address, id or Name tag' },
    address: { type: 'string', describe: 'its private address in the subnet' },
    ...TAG_OPTIONS,
  },
  examples: [['nat create public --eip 198.51.100.7 -n lab-nat', 'then: route add private default lab-nat']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { createNatGateway } = await import('../../ec2/nat-gateways/create-nat-gateway.ts');
    const response = await createNatGateway(ctx, {
      SubnetId: resolveId(ctx.db, 'subnet', String(args['subnet'])),
      ...(args.eip === undefined ? {} : { AllocationId: resolveId(ctx.db, 'address', args.eip) }),
      ...(args.address === undefined ? {} : { PrivateIpAddress: args.address }),
      TagSpecifications: tagSpecifications('natgateway', args),
    });
    const { NatGatewayId, NatGatewayAddresses: [address] = [] } = response.NatGateway ?? {};
    out.result(response, () => out.line(`${withName(NatGatewayId, args.name)}  ${address?.PublicIp ?? ''}`));
  },
});

const rm = defineCommand({
  command: 'rm <nat>',
  describe: 'remove a NAT gateway; its elastic address stays allocated',
  positionals: { nat: { type: 'string', describe: BY_NAME } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const { deleteNatGateway } = await import('../../ec2/nat-gateways/delete-nat-gateway.ts');
    const NatGatewayId = resolveId(ctx.db, 'natGateway', String(args['nat']));
    out.result(await deleteNatGateway(ctx, { NatGatewayId }), () => out.line(`${NatGatewayId}  removed`));
  },
});

export const nat = defineGroup('nat', 'NAT gateways: list, create, remove', [ls, create, rm]);
