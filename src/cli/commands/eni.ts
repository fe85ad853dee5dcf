import type { NetworkInterface } from '@aws-sdk/client-ec2';
import { UsageError } from '../../core/errors.ts';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand, defineGroup } from '../define-command.ts';
import { nameOf, TAG_OPTIONS, tagSpecifications } from '../name-tag.ts';
import type { Output } from '../output.ts';
import { assign, ENI, resolveInterface, unassign } from './eni-addresses.ts';

const GROUPS = {
  alias: 'g',
  type: 'string',
  array: true,
  nargs: 1,
  describe: 'security group, by id or name; repeatable',
} as const;

const ls = defineCommand({
  command: 'ls',
  describe: 'network interfaces, and what has them',
  handler: async (_args, { out, open }) => {
    const { describeNetworkInterfaces } =
      await import('../../ec2/network-interfaces/describe-network-interfaces.ts');
    const response = describeNetworkInterfaces(open(), {});
    out.result(response, () =>
      out.table(
        ['INTERFACE', 'NAME', 'INSTANCE', 'INDEX', 'ADDRESS', 'PUBLIC', 'MAC', 'SUBNET'],
        (response.NetworkInterfaces ?? []).map((each) => [
          each.NetworkInterfaceId ?? '',
          nameOf(each.TagSet),
          each.Attachment?.InstanceId ?? (each.RequesterManaged === true ? String(each.InterfaceType) : ''),
          String(each.Attachment?.DeviceIndex ?? ''),
          each.PrivateIpAddress ?? '',
          each.Association?.PublicIp ?? '',
          each.MacAddress ?? '',
          each.SubnetId ?? '',
        ]),
      ),
    );
  },
});

const show = defineCommand({
  command: 'show <eni>',
  describe: 'all about one interface',
  positionals: { eni: ENI },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const found = await find(ctx, String(args['eni']));
    out.result(found, () => print(out, found));
  },
});

const create = defineCommand({
  command: 'create <subnet>',
  describe: 'make an interface, to be given to an instance',
  positionals: { subnet: { type: 'string', describe: 'subnet, by id, its beginning, or Name tag' } },
  options: {
    address: { type: 'string', describe: 'its primary private address', defaultDescription: 'a free one' },
    secondary: {
      type: 'string',
      array: true,
      nargs: 1,
      describe: 'more private addresses: how many, or which; repeatable',
    },
    ipv6: { type: 'boolean', describe: 'with an IPv6 address' },
    group: GROUPS,
    description: { type: 'string', describe: 'a sentence about it' },
    ...TAG_OPTIONS,
  },
  examples: [
    ['eni create lab-a -n extra -g web', 'in the subnet lab-a and the group web'],
    ['eni create lab-a --address 10.0.0.10 --secondary 2', 'three addresses'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { createNetworkInterface } =
      await import('../../ec2/network-interfaces/create-network-interface.ts');
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const response = createNetworkInterface(ctx, {
      SubnetId: resolveId(ctx.db, 'subnet', String(args['subnet'])),
      ...(args.address === undefined ? {} : { PrivateIpAddress: args.address }),
      ...secondaries(args.secondary ?? []),
      ...(args.ipv6 === true ? { Ipv6AddressCount: 1 } : {}),
      ...(args.group === undefined ? {} : { Groups: args.group }),
      ...(args.description === undefined ? {} : { Description: args.description }),
      TagSpecifications: tagSpecifications('network-interface', args),
    });
    out.result(response, () => print(out, response.NetworkInterface ?? {}));
  },
});

const rm = defineCommand({
  command: 'rm <eni..>',
  describe: 'remove interfaces that no instance has',
  positionals: { eni: { ...ENI, array: true } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { deleteNetworkInterface } =
      await import('../../ec2/network-interfaces/delete-network-interface.ts');
    const ids: string[] = [];
    for (const each of args['eni'] as string[]) ids.push(await resolveInterface(ctx, each));
    for (const NetworkInterfaceId of ids) await deleteNetworkInterface(ctx, { NetworkInterfaceId });
    out.result({ NetworkInterfaceIds: ids }, () => {
      for (const id of ids) out.line(`${id}  removed`);
    });
  },
});

const attach = defineCommand({
  command: 'attach <eni> <instance>',
  describe: 'give an interface to an instance; a running guest sees it at once',
  positionals: { eni: ENI, instance: { type: 'string', describe: 'instance, by id or name' } },
  options: {
    'device-index': { type: 'number', describe: 'its place', defaultDescription: 'the next free one' },
  },
  examples: [['eni attach extra web', 'a second interface for web']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { attachNetworkInterface, freeDeviceIndex } =
      await import('../../ec2/network-interfaces/attach-network-interface.ts');
    const { resolveId } = await import('../../ec2/resolve-resource.ts');
    const InstanceId = resolveId(ctx.db, 'instance', String(args['instance']));
    const NetworkInterfaceId = await resolveInterface(ctx, String(args['eni']));
    const DeviceIndex = args['device-index'] ?? freeDeviceIndex(ctx.db, InstanceId);
    const response = await attachNetworkInterface(ctx, { NetworkInterfaceId, InstanceId, DeviceIndex });
    out.result(response, () =>
      out.line(`${NetworkInterfaceId}  attached to ${InstanceId} at index ${DeviceIndex}`),
    );
  },
});

const detach = defineCommand({
  command: 'detach <eni>',
  describe: 'take an interface from its instance; it keeps its addresses',
  positionals: { eni: ENI },
  options: { force: { type: 'boolean', describe: 'also when the guest does not let go of it' } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { detachNetworkInterface } =
      await import('../../ec2/network-interfaces/detach-network-interface.ts');
    const { NetworkInterfaceId = '', Attachment } = await find(ctx, String(args['eni']));
    if (Attachment === undefined)
      throw new UsageError(`no instance has ${NetworkInterfaceId}`, { hint: 'bonami eni ls' });
    const response = await detachNetworkInterface(ctx, {
      AttachmentId: Attachment.AttachmentId,
      Force: args.force === true,
    });
    out.result(response, () => out.line(`${NetworkInterfaceId}  detached from ${Attachment.InstanceId}`));
  },
});

const set = defineCommand({
  command: 'set <eni>',
  describe: 'change an interface; applies at once',
  positionals: { eni: ENI },
  options: {
    group: { ...GROUPS, describe: `${GROUPS.describe}; instead of those it has` },
    'source-dest-check': {
      choices: ['on', 'off'] as const,
      describe: 'off for a machine that forwards for others',
    },
    'delete-on-termination': {
      choices: ['on', 'off'] as const,
      describe: 'whether it goes with its instance',
    },
    description: { type: 'string', describe: 'a sentence about it' },
  },
  examples: [
    ['eni set extra -g web -g ssh', 'other security groups'],
    ['eni set router --source-dest-check off', 'a machine that routes'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { modifyNetworkInterfaceAttribute } =
      await import('../../ec2/network-interfaces/modify-network-interface-attribute.ts');
    const { NetworkInterfaceId, Attachment } = await find(ctx, String(args['eni']));
    const deleteOnTermination = args['delete-on-termination'];
    const check = args['source-dest-check'];
    const changes = [
      ...(args.group === undefined ? [] : [{ Groups: args.group }]),
      ...(check === undefined ? [] : [{ SourceDestCheck: { Value: check === 'on' } }]),
      ...(args.description === undefined ? [] : [{ Description: { Value: args.description } }]),
      ...(deleteOnTermination === undefined
        ? []
        : [
            {
              Attachment: {
                AttachmentId: Attachment?.AttachmentId,
                DeleteOnTermination: deleteOnTermination === 'on',
              },
            },
          ]),
    ];
    if (changes.length === 0)
      throw new UsageError('what is to change?', { hint: 'bonami eni set ENI -g web, or eni set --help' });
    // EC2 takes one at a time.
    for (const change of changes)
      await modifyNetworkInterfaceAttribute(ctx, { NetworkInterfaceId, ...change });
    out.result({}, () => out.line(`${NetworkInterfaceId}  changed`));
  },
});

export const eni = defineGroup('eni', 'network interfaces: list, make, attach, give addresses, change', [
  ls,
  show,
  create,
  attach,
  detach,
  assign,
  unassign,
  set,
  rm,
]);

async function find(ctx: Ec2Context, reference: string): Promise<NetworkInterface> {
  const { describeNetworkInterfaces } =
    await import('../../ec2/network-interfaces/describe-network-interfaces.ts');
  const response = describeNetworkInterfaces(ctx, {
    NetworkInterfaceIds: [await resolveInterface(ctx, reference)],
  });
  return response.NetworkInterfaces?.[0] ?? {};
}

/** A number says how many, anything else which. */
function secondaries(words: readonly string[]): {
  readonly SecondaryPrivateIpAddressCount?: number;
  readonly PrivateIpAddresses?: { PrivateIpAddress: string }[];
} {
  const [first = '', ...others] = words;
  if (words.length === 0) return {};
  if (/^\d+$/.test(first) && others.length === 0) return { SecondaryPrivateIpAddressCount: Number(first) };
  const number = words.find((word) => /^\d+$/.test(word));
  if (number !== undefined)
    throw new UsageError(`how many, or which? '${number}' is a number`, {
      hint: '--secondary 2, or --secondary 10.0.0.20 --secondary 10.0.0.21',
    });
  return { PrivateIpAddresses: words.map((PrivateIpAddress) => ({ PrivateIpAddress })) };
}

function print(out: Output, each: NetworkInterface): void {
  const { Attachment } = each;
  out.facts([
    ['interface', each.NetworkInterfaceId],
    ['name', nameOf(each.TagSet)],
    ['description', each.Description],
    ['status', each.Status],
    [
      'attached',
      Attachment &&
        `${Attachment.InstanceId} at index ${Attachment.DeviceIndex}, ${Attachment.DeleteOnTermination === true ? 'goes with it' : 'outlives it'}`,
    ],
    ['subnet', `${each.SubnetId} (${each.VpcId}, ${each.AvailabilityZone})`],
    ['mac', each.MacAddress],
    ...(each.PrivateIpAddresses ?? []).map(
      ({ PrivateIpAddress, Association }) =>
        ['address', `${PrivateIpAddress}${Association ? ` = ${Association.PublicIp}` : ''}`] as const,
    ),
    ...(each.Ipv6Addresses ?? []).map(({ Ipv6Address }) => ['ipv6', Ipv6Address] as const),
    ['groups', each.Groups?.map(({ GroupId, GroupName }) => `${GroupName} (${GroupId})`).join(', ')],
    ['checks', each.SourceDestCheck === true ? 'source and destination' : 'nothing: it forwards for others'],
    ['type', each.RequesterManaged === true ? String(each.InterfaceType) : undefined],
  ]);
}
