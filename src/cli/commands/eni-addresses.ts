import { UsageError } from '../../core/errors.ts';
import type { NetworkInterfaceId } from '../../core/ids.ts';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand } from '../define-command.ts';

export const ENI = {
  type: 'string',
  describe: 'network interface, by id, its beginning, or Name tag',
} as const;

export const assign = defineCommand({
  command: 'assign <eni> [addresses..]',
  describe: 'give an interface more addresses; applies at once',
  positionals: {
    eni: ENI,
    addresses: { type: 'string', array: true, describe: 'free addresses of its subnet, of either family' },
  },
  options: {
    count: { type: 'number', describe: 'so many free ones' },
    ipv6: { type: 'boolean', describe: 'count IPv6 ones' },
    move: { type: 'boolean', describe: 'take secondary addresses from other interfaces' },
  },
  examples: [
    ['eni assign extra 10.0.0.20', 'this one'],
    ['eni assign extra --count 2', 'any two'],
    ['eni assign standby 10.0.0.20 --move', 'a floating address moves here, its elastic one with it'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const given = (args['addresses'] as string[] | undefined) ?? [];
    if (given.length > 0 === (args.count !== undefined))
      throw new UsageError('which addresses, or how many?', { hint: 'bonami eni assign ENI --count 1' });
    const NetworkInterfaceId = await resolveInterface(ctx, String(args['eni']));
    const [ipv4, ipv6] = byFamily(given);
    const counts6 = args.count !== undefined && args.ipv6 === true;
    const assigned: string[] = [];
    if (ipv4.length > 0 || (args.count !== undefined && !counts6)) {
      const module = await import('../../ec2/network-interfaces/assign-private-ip-addresses.ts');
      const { AssignedPrivateIpAddresses = [] } = await module.assignPrivateIpAddresses(ctx, {
        NetworkInterfaceId,
        ...(args.count === undefined
          ? { PrivateIpAddresses: ipv4 }
          : { SecondaryPrivateIpAddressCount: args.count }),
        AllowReassignment: args.move === true,
      });
      assigned.push(...AssignedPrivateIpAddresses.flatMap(({ PrivateIpAddress }) => PrivateIpAddress ?? []));
    }
    if (ipv6.length > 0 || counts6) {
      const module = await import('../../ec2/network-interfaces/assign-ipv6-addresses.ts');
      const { AssignedIpv6Addresses = [] } = await module.assignIpv6Addresses(ctx, {
        NetworkInterfaceId,
        ...(counts6 ? { Ipv6AddressCount: args.count } : { Ipv6Addresses: ipv6 }),
      });
      assigned.push(...AssignedIpv6Addresses);
    }
    out.result({ NetworkInterfaceId, AssignedAddresses: assigned }, () =>
      out.line(`${NetworkInterfaceId}  has ${assigned.join(', ')}`),
    );
  },
});

export const unassign = defineCommand({
  command: 'unassign <eni> <addresses..>',
  describe: 'take addresses from an interface, but its primary one; applies at once',
  positionals: { eni: ENI, addresses: { type: 'string', array: true, describe: 'of either family' } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const NetworkInterfaceId = await resolveInterface(ctx, String(args['eni']));
    const given = args['addresses'] as string[];
    const [ipv4, ipv6] = byFamily(given);
    if (ipv4.length > 0) {
      const module = await import('../../ec2/network-interfaces/unassign-private-ip-addresses.ts');
      await module.unassignPrivateIpAddresses(ctx, { NetworkInterfaceId, PrivateIpAddresses: ipv4 });
    }
    if (ipv6.length > 0) {
      const module = await import('../../ec2/network-interfaces/unassign-ipv6-addresses.ts');
      await module.unassignIpv6Addresses(ctx, { NetworkInterfaceId, Ipv6Addresses: ipv6 });
    }
    out.result({ NetworkInterfaceId, UnassignedAddresses: given }, () =>
      out.line(`${NetworkInterfaceId}  has lost ${given.join(', ')}`),
    );
  },
});

export async function resolveInterface(ctx: Ec2Context, reference: string): Promise<NetworkInterfaceId> {
  const { resolveId } = await import('../../ec2/resolve-resource.ts');
  return resolveId(ctx.db, 'networkInterface', reference);
}

function byFamily(addresses: readonly string[]): readonly [ipv4: string[], ipv6: string[]] {
  return [addresses.filter((each) => !each.includes(':')), addresses.filter((each) => each.includes(':'))];
}
