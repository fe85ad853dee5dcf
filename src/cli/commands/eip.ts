import { BonamiError } from '../../core/errors.ts';
import type { AllocationId } from '../../core/ids.ts';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand, defineGroup } from '../define-command.ts';
import { nameOf, TAG_OPTIONS, tagSpecifications } from '../name-tag.ts';

const ADDRESS = {
  type: 'string',
  describe: 'the address itself, its allocation id, or its Name tag',
} as const;

/** What each reach means, in a word. */
const REACHED_FROM = { host: 'this host', lan: 'its network', own: 'everywhere' } as const;

const ls = defineCommand({
  command: 'ls',
  describe: 'elastic addresses, what has them, and from where they are reached',
  handler: async (_args, { out, open }) => {
    const { describeAddresses } = await import('../../ec2/addresses/describe-addresses.ts');
    const response = describeAddresses(open(), {});
    out.result(response, () =>
      out.table(
        ['ADDRESS', 'ALLOCATION', 'NAME', 'REACHED-FROM', 'PRIVATE', 'INSTANCE', 'INTERFACE'],
        response.Addresses.map((each) => [
          each.PublicIp ?? '',
          each.AllocationId ?? '',
          nameOf(each.Tags),
          REACHED_FROM[each.Bonami.Reach],
          each.PrivateIpAddress ?? '',
          each.InstanceId ?? '',
          each.NetworkInterfaceId ?? '',
        ]),
      ),
    );
  },
});

const allocate = defineCommand({
  command: 'allocate [address]',
  describe: 'get an elastic address',
  positionals: {
    address: {
      type: 'string',
      describe: "a free one of this host's network, or one that the host has besides its main one",
      defaultDescription: 'the next one of a range that only this host reaches',
    },
  },
  options: {
    range: { type: 'string', describe: 'the next free one of this CIDR block' },
    ...TAG_OPTIONS,
  },
  examples: [
    ['eip allocate -n web', 'an address that this host reaches'],
    ['eip allocate 192.168.1.240', 'one that the machines of your network reach too'],
    ['eip allocate --range 192.168.1.240/28', 'the next free one of a range that you keep for this'],
  ],
  epilogue: 'Addresses of your network need to be free there: this host answers for them (ARP).',
  handler: async (args, { out, open }) => {
    const { allocateAddress } = await import('../../ec2/addresses/allocate-address.ts');
    const address = args['address'] as string | undefined;
    const response = await allocateAddress(open(), {
      ...(address === undefined ? {} : { Address: address }),
      ...(args.range === undefined ? {} : { PublicIpv4Pool: args.range }),
      TagSpecifications: tagSpecifications('elastic-ip', args),
    });
    out.result(response, () =>
      out.line(
        `${response.PublicIp}  ${response.AllocationId}  reached from ${REACHED_FROM[response.Bonami.Reach]}`,
      ),
    );
  },
});

const associate = defineCommand({
  command: 'associate <address> <target>',
  describe: 'give an elastic address to an instance or an interface; applies at once',
  positionals: {
    address: ADDRESS,
    target: { type: 'string', describe: 'instance or network interface, by id or name' },
  },
  options: {
    'private-address': {
      type: 'string',
      describe: 'stands for this private address',
      defaultDescription: "the interface's primary one",
    },
    reassociate: {
      type: 'boolean',
      default: true,
      describe: 'take it from where it is; --no-reassociate refuses instead',
    },
  },
  examples: [
    ['eip associate 203.0.113.1 web', 'the instance web is reached there'],
    [
      'eip associate 203.0.113.2 eni-0123 --private-address 172.31.0.20',
      'a secondary address of an interface',
    ],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { associateAddress } = await import('../../ec2/addresses/associate-address.ts');
    const response = await associateAddress(ctx, {
      AllocationId: await resolve(ctx, String(args['address'])),
      ...(await targetOf(ctx, String(args['target']))),
      ...(args['private-address'] === undefined ? {} : { PrivateIpAddress: args['private-address'] }),
      AllowReassociation: args.reassociate,
    });
    out.result(response, () => out.line(`${response.AssociationId}  associated`));
  },
});

const disassociate = defineCommand({
  command: 'disassociate <address>',
  describe: 'take an elastic address away from what has it; it stays yours',
  positionals: { address: ADDRESS },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { describeAddresses } = await import('../../ec2/addresses/describe-addresses.ts');
    const { disassociateAddress } = await import('../../ec2/addresses/disassociate-address.ts');
    const AllocationId = await resolve(ctx, String(args['address']));
    const [found] = describeAddresses(ctx, { AllocationIds: [AllocationId] }).Addresses;
    const response = await disassociateAddress(ctx, { PublicIp: found?.PublicIp });
    out.result(response, () => out.line(`${found?.PublicIp}  disassociated`));
  },
});

const release = defineCommand({
  command: 'release <address..>',
  aliases: ['rm'],
  describe: 'give elastic addresses back that nothing has',
  positionals: { address: { ...ADDRESS, array: true } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { releaseAddress } = await import('../../ec2/addresses/release-address.ts');
    const ids: AllocationId[] = [];
    for (const each of args['address'] as string[]) ids.push(await resolve(ctx, each));
    for (const AllocationId of ids) releaseAddress(ctx, { AllocationId });
    out.result({ AllocationIds: ids }, () => {
      for (const id of ids) out.line(`${id}  released`);
    });
  },
});

export const eip = defineGroup('eip', 'elastic addresses: list, allocate, associate, disassociate, release', [
  ls,
  allocate,
  associate,
  disassociate,
  release,
]);

async function resolve(ctx: Ec2Context, reference: string): Promise<AllocationId> {
  const { resolveId } = await import('../../ec2/resolve-resource.ts');
  return resolveId(ctx.db, 'address', reference);
}

type Target = { readonly InstanceId: string } | { readonly NetworkInterfaceId: string };

/** Instances first: they are what people name. */
async function targetOf(ctx: Ec2Context, reference: string): Promise<Target> {
  const { resolveId } = await import('../../ec2/resolve-resource.ts');
  const networkInterface = (): Target => ({
    NetworkInterfaceId: resolveId(ctx.db, 'networkInterface', reference),
  });
  if (reference.startsWith('eni-')) return networkInterface();
  try {
    return { InstanceId: resolveId(ctx.db, 'instance', reference) };
  } catch (error) {
    if (!(error instanceof BonamiError)) throw error;
    try {
      return networkInterface();
    } catch {
      throw error;
    }
  }
}
