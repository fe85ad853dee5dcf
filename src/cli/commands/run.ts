import type { BlockDeviceMapping } from '@aws-sdk/client-ec2';
import { Ec2Error, Interrupted } from '../../core/errors.ts';
import type { Ec2Context } from '../../ec2/context.ts';
import type { CloudInitReport } from '../../ec2/instances/cloud-init-report.ts';
import type { RunInstancesInput } from '../../ec2/instances/plan-launch.ts';
import { defineCommand, type CommandTools } from '../define-command.ts';
import { defaultKeyName, findOrPullImage } from '../launch-defaults.ts';
import { TAG_OPTIONS, tagSpecifications } from '../name-tag.ts';
import { parseBlockDevice, TIMEOUT } from '../parse.ts';
import { readInput } from '../read-input.ts';
import { printInstances } from '../print-instances.ts';
import { printVerdict } from '../print-report.ts';
import { NETWORK_OPTIONS, networkRequest } from '../run-network.ts';

const options = {
  type: { alias: 't', type: 'string', describe: 'instance type', default: 't3.micro' },
  name: TAG_OPTIONS.name,
  key: { alias: 'k', type: 'string', describe: 'key pair; without it the pair that bonami made for you' },
  'user-data': { alias: 'u', type: 'string', describe: 'file with user data, - for standard input' },
  ...NETWORK_OPTIONS,
  disk: { type: 'number', describe: 'size of the root volume in GiB' },
  'block-device': {
    alias: 'b',
    type: 'string',
    array: true,
    nargs: 1,
    describe:
      'DEVICE=GiB|snap-…[,gp3|io2|…][,iops=N][,throughput=N][,keep], DEVICE=ephemeral0 or DEVICE=none; repeatable',
  },
  count: { alias: 'c', type: 'number', describe: 'how many', default: 1 },
  tag: TAG_OPTIONS.tag,
  wait: {
    choices: ['none', 'running', 'ssh', 'cloud-init'] as const,
    describe: 'what to wait for',
    default: 'running' as const,
  },
  timeout: TIMEOUT,
  rm: {
    type: 'boolean',
    describe: 'terminate it when its guest powers off, or when you leave its console (--attach)',
  },
  attach: { type: 'boolean', describe: 'attach to its serial console' },
  datasource: {
    choices: ['ec2', 'nocloud'] as const,
    describe: 'how the guest gets its data',
    default: 'ec2' as const,
  },
  'disk-bus': {
    choices: ['virtio', 'nvme'] as const,
    describe: 'what its volumes are plugged into; nvme as on Nitro instances',
    default: 'virtio' as const,
  },
  cpus: { type: 'number', describe: "instead of the type's vCPUs" },
  memory: { type: 'number', describe: "MiB, instead of the type's memory" },
  'metadata-tokens': {
    choices: ['optional', 'required'] as const,
    describe: 'required: IMDSv2 only',
    default: 'optional' as const,
  },
  'dry-run': { type: 'boolean', describe: 'check everything, make nothing' },
} as const;

export const run = defineCommand({
  command: 'run [image]',
  describe: 'launch instances',
  positionals: { image: { type: 'string', describe: 'image id or name', defaultDescription: 'debian-12' } },
  options,
  examples: [
    ['run -n web --wait ssh', 'a Debian 12 called web, ready to be logged in to'],
    ['run -u user-data.yaml --wait cloud-init', 'with cloud-init user data, until cloud-init is done'],
    ['run tiny -c 10 -t t3.nano', 'ten very small machines'],
    ['run --subnet lab-a --address 10.0.0.10', 'in a subnet and with an address of your choice'],
    ['run -t t3.medium --eni front --eni back', 'with two network interfaces made before'],
    ['run -b /dev/sdf=20 --disk 30', 'a 30 GiB root volume and an empty 20 GiB volume'],
    ['run -b /dev/sdf=100,io2,iops=5000,keep', 'a volume that does 5000 operations a second and outlives it'],
  ],
  handler: async (args, tools) => {
    // Read before anything is made: an unreadable file must leave nothing behind.
    const userData =
      args['user-data'] === undefined
        ? undefined
        : await readInput({ path: args['user-data'], what: 'the user data', signal: tools.signal });
    const ctx = tools.open();
    const request: RunInstancesInput = {
      ImageId: await findOrPullImage(ctx, args['image'] as string | undefined),
      InstanceType: args.type as NonNullable<RunInstancesInput['InstanceType']>,
      MinCount: args.count,
      MaxCount: args.count,
      KeyName: args.key ?? (await defaultKeyName(ctx)),
      ...(userData === undefined ? {} : { UserData: userData.toString('base64') }),
      ...(await networkRequest(ctx, args)),
      BlockDeviceMappings: await blockDevices(ctx, args),
      ...(args.cpus === undefined ? {} : { CpuOptions: { CoreCount: args.cpus, ThreadsPerCore: 1 } }),
      TagSpecifications: tagSpecifications('instance', args),
      MetadataOptions: { HttpTokens: args['metadata-tokens'] },
      ...(args.rm === true ? { InstanceInitiatedShutdownBehavior: 'terminate' } : {}),
      ...(args['dry-run'] === true ? { DryRun: true } : {}),
      Bonami: {
        Datasource: args.datasource,
        DiskBus: args['disk-bus'],
        NetworkLimit: args['network-limit'] === true,
        ...(args.memory === undefined ? {} : { MemoryMiB: args.memory }),
      },
    };
    await launchAndWait(ctx, tools, request, args);
  },
});

interface Aftermath {
  readonly wait: 'none' | 'running' | 'ssh' | 'cloud-init';
  readonly timeout: number;
  readonly attach: boolean | undefined;
  readonly rm: boolean | undefined;
  readonly 'dry-run': boolean | undefined;
}

async function launchAndWait(
  ctx: Ec2Context,
  tools: CommandTools,
  request: RunInstancesInput,
  args: Aftermath,
): Promise<void> {
  const { runInstances } = await import('../../ec2/instances/run-instances.ts');
  let reservation;
  try {
    reservation = await runInstances(ctx, request);
  } catch (error) {
    if (!(args['dry-run'] === true && error instanceof Ec2Error && error.code === 'DryRunOperation'))
      throw error;
    tools.out.result({ DryRun: true }, () =>
      tools.out.line('the request is fine; nothing was made (--dry-run)'),
    );
    return;
  }
  const ids = (reservation.Instances ?? []).flatMap(({ InstanceId }) => InstanceId ?? []);
  if (args.attach === true) return attach(ctx, tools, ids, args.rm === true);
  const reports =
    args.wait === 'none' ? [] : await waitForAll(ctx, ids, { condition: args.wait, timeout: args.timeout });
  const { describeInstances } = await import('../../ec2/instances/describe-instances.ts');
  const { Reservations = [] } = await describeInstances(ctx, { InstanceIds: ids });
  const instances = Reservations.flatMap(({ Instances = [] }) => Instances);
  const verdicts = reports.length === 0 ? {} : { CloudInit: reports };
  tools.out.result({ ...reservation, Instances: instances, ...verdicts }, () => {
    printInstances(tools.out, instances, ctx.now());
    for (const report of reports) printVerdict(tools.out, report);
  });
  if (reports.some(({ verdict }) => verdict === 'error')) tools.exitWith(1);
  const name = instances[0]?.Tags?.find(({ Key }) => Key === 'Name')?.Value ?? ids[0];
  if (!tools.out.isJson)
    tools.out.info(
      `connect: bonami ssh ${name}   console: bonami console ${name}   end: bonami terminate ${name}`,
    );
}

/**
 * Waits for all of them, and asks each for cloud-init's verdict when that was awaited. If Ctrl-C ends the wait, the
 * instances go on and the message says so.
 */
async function waitForAll(
  ctx: Ec2Context,
  ids: readonly string[],
  { condition, timeout }: { readonly condition: 'running' | 'ssh' | 'cloud-init'; readonly timeout: number },
): Promise<readonly CloudInitReport[]> {
  const { waitForInstance } = await import('../../ec2/instances/readiness.ts');
  const { resolveInstance } = await import('../../ec2/instances/resolve-instance.ts');
  try {
    const waits = ids.map(async (id) => {
      const instance = resolveInstance(ctx.db, id);
      const { instanceId } = instance;
      const readiness = await waitForInstance(ctx, { instanceId, condition, timeoutMs: timeout * 1000 });
      if (condition !== 'cloud-init') return [];
      const { cloudInitReport } = await import('../../ec2/instances/cloud-init-report.ts');
      return [await cloudInitReport(ctx, instance, readiness)];
    });
    // All of them, not the first: what is said at the end must be true of every one.
    const settled = await Promise.allSettled(waits);
    const failed = settled.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    return settled.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  } catch (error) {
    if (!ctx.signal.aborted) throw error;
    throw new Interrupted(`stopped waiting; ${ids.join(', ')} ${ids.length > 1 ? 'keep' : 'keeps'} running`, {
      hint: `bonami wait ${ids[0]} --for ${condition}, or bonami terminate ${ids.join(' ')}`,
    });
  }
}

async function attach(
  ctx: Ec2Context,
  tools: CommandTools,
  ids: readonly string[],
  remove: boolean,
): Promise<void> {
  const { attachConsole } = await import('../../ec2/instances/connect.ts');
  const { resolveInstance } = await import('../../ec2/instances/resolve-instance.ts');
  const [id = ''] = ids;
  tools.out.info('serial console; Ctrl-] leaves it');
  const end = await attachConsole(ctx, resolveInstance(ctx.db, id), {
    input: process.stdin,
    output: process.stdout,
  });
  tools.out.info(`\n${end === 'detached' ? 'left the console' : 'the machine ended'}`);
  if (!remove) return;
  const { terminateInstances } = await import('../../ec2/instances/terminate-instances.ts');
  await terminateInstances(ctx, { InstanceIds: [...ids] });
}

interface DiskWords {
  readonly disk: number | undefined;
  readonly 'block-device': string[] | undefined;
  readonly image?: unknown;
}

async function blockDevices(
  ctx: Ec2Context,
  { disk, 'block-device': devices = [], image }: DiskWords,
): Promise<BlockDeviceMapping[]> {
  const mappings = devices.map(parseBlockDevice);
  if (disk === undefined) return mappings;
  const { resolveImage } = await import('../../ec2/images/resolve-image.ts');
  const { rootDeviceName } = resolveImage(ctx.db, image as string | undefined);
  return [{ DeviceName: rootDeviceName, Ebs: { VolumeSize: disk } }, ...mappings];
}
