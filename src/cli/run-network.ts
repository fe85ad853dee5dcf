import type { RunInstancesInput } from '../ec2/instances/plan-launch.ts';
import type { Ec2Context } from '../ec2/context.ts';

/** The options of `run` that say where an instance is in the network. */
export const NETWORK_OPTIONS = {
  group: {
    alias: 'g',
    type: 'string',
    array: true,
    nargs: 1,
    describe: 'security group, by id or name; repeatable',
  },
  subnet: { type: 'string', describe: 'subnet, by id, a beginning of it, or Name tag' },
  address: { type: 'string', describe: 'private address', defaultDescription: 'a free one' },
  secondary: { type: 'number', describe: 'how many more private addresses' },
  ipv6: { type: 'boolean', describe: 'with an IPv6 address of the subnet' },
  eni: {
    type: 'string',
    array: true,
    nargs: 1,
    describe: 'network interface that is there already, by id or name; repeatable, the first is the primary',
  },
  'network-limit': { type: 'boolean', describe: 'no faster network than the type has' },
} as const;

export interface NetworkWords {
  readonly group?: readonly string[] | undefined;
  readonly subnet?: string | undefined;
  readonly address?: string | undefined;
  readonly secondary?: number | undefined;
  readonly ipv6?: boolean | undefined;
  readonly eni?: readonly string[] | undefined;
}

/**
 * What those options say, as RunInstances has it: of the instance as a whole where that can be said so, otherwise of
 * its interfaces.
 */
export async function networkRequest(
  ctx: Ec2Context,
  { group, subnet, address, secondary, ipv6, eni }: NetworkWords,
): Promise<Partial<RunInstancesInput>> {
  const { resolveId } = await import('../ec2/resolve-resource.ts');
  const place = {
    ...(subnet === undefined ? {} : { SubnetId: resolveId(ctx.db, 'subnet', subnet) }),
    ...(address === undefined ? {} : { PrivateIpAddress: address }),
    ...(ipv6 === true ? { Ipv6AddressCount: 1 } : {}),
  };
  const groups = group === undefined ? undefined : [...group];
  if (eni === undefined && secondary !== undefined)
    return {
      NetworkInterfaces: [
        {
          DeviceIndex: 0,
          SecondaryPrivateIpAddressCount: secondary,
          ...place,
          ...(groups === undefined ? {} : { Groups: groups }),
        },
      ],
    };
  return {
    ...place,
    ...(groups === undefined ? {} : { SecurityGroupIds: groups }),
    ...(eni === undefined
      ? {}
      : {
          NetworkInterfaces: eni.map((each, DeviceIndex) => ({
            DeviceIndex,
            NetworkInterfaceId: resolveId(ctx.db, 'networkInterface', each),
            // Refused by EC2 beside an interface that has its own.
            ...(secondary === undefined ? {} : { SecondaryPrivateIpAddressCount: secondary }),
          })),
        }),
  };
}
