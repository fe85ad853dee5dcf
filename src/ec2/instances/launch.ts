// From a recorded instance to a running machine. Every step can be done twice, writes its undo on the next line,
// and dies cleanly: a crash anywhere leaves `pending`, which reconcile.ts finishes or rolls back.
import { randomUUID } from 'node:crypto';
import {
  chownSync,
  copyFileSync,
  existsSync,
  openSync,
  closeSync,
  chmodSync,
  rmSync,
  statSync,
} from 'node:fs';
import { failpoint } from '../../core/failpoint.ts';
import type { InstanceId } from '../../core/ids.ts';
import { settleAll } from '../../core/settle-all.ts';
import { ensureAgent } from '../../host/agent/client.ts';
import { createEmpty } from '../../host/disk/qemu-img.ts';
import { copyVariables, findFirmware } from '../../host/qemu/firmware.ts';
import type { Firmware } from '../../host/qemu/machine-spec.ts';
import { continueMachine, kill, launchMachine } from '../../host/qemu/running-machine.ts';
import { Undo } from '../../host/undo.ts';
import { transact } from '../../store/database.ts';
import { makeFolder } from '../../store/layout.ts';
import { instances, type Instance } from '../../store/instances.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import { volumes, type Volume } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { plugInterface, unplugInterface } from '../vpcs/network.ts';
import { ensureVolume } from '../volumes/ensure-volume.ts';
import { markConsoleStart } from './console-start.ts';
import { inState } from './instance-state.ts';
import { machineSpec } from './machine-spec.ts';
import { writeSeed } from './seed.ts';
import { vhostOf } from './vhost.ts';

/**
 * Gives a `pending` instance its machine and records it `running`. The caller holds the instance's operation lock.
 * When a step fails everything done here is undone and the error is passed on; the record is the caller's to settle.
 */
export async function launch(ctx: Ec2Context, instanceId: InstanceId): Promise<Instance> {
  const undo = new Undo();
  try {
    return await steps(ctx, instanceId, undo);
  } catch (error) {
    for (const failed of await undo.run()) ctx.report.warn(failed.message);
    throw error;
  }
}

async function steps(ctx: Ec2Context, instanceId: InstanceId, undo: Undo): Promise<Instance> {
  const instance = instances.get(ctx.db, instanceId);
  if (instance === undefined) throw new Error(`${instanceId} vanished while it was launched`);
  const attached = networkInterfaces.listBy(ctx.db, 'instance_id', instanceId);
  makeFolders(ctx, instance);
  failpoint('launch:folders');
  ctx.signal.throwIfAborted();

  // Disks, network and metadata do not depend on each other; a launch takes as long as the slowest of them.
  const [parts] = await settleAll([
    prepareDisks(ctx, instance, attached),
    connect(ctx, { instance, attached, undo }),
  ]);
  ctx.signal.throwIfAborted();

  const paths = ctx.layout.instance(instanceId);
  const vhost = vhostOf(instance);
  const spec = machineSpec({
    instance,
    networkInterfaces: attached,
    ...parts,
    vhost: vhost !== undefined,
    paths,
    generationId: randomUUID(),
  });
  undo.add('machine', () => kill(paths));
  await launchMachine(spec, paths, {
    namespace: ctx.ground.router(instance.vpcId),
    ...(instance.uid === null ? {} : { uid: instance.uid }),
    groups: [...kvmGroups(instance), ...(vhost?.groups ?? [])],
  });
  failpoint('launch:machine');
  await continueMachine(paths);
  failpoint('launch:continued');
  const launched = inState({ ...instance, starts: instance.starts + 1 }, 'running', { now: ctx.now() });
  transact(ctx.db, () => instances.update(ctx.db, launched));
  failpoint('launch:recorded');
  undo.forget();
  return launched;
}

function makeFolders(ctx: Ec2Context, { instanceId, uid }: Instance): void {
  const paths = ctx.layout.instance(instanceId);
  // Traversable, not listable: the machine's own user reaches its files by their full paths.
  const mode = uid === null ? 0o700 : 0o711;
  for (const folder of [paths.folder, paths.runFolder]) makeFolder(folder, mode);
  makeFolder(paths.socketFolder, 0o700);
  closeSync(openSync(paths.console, 'a', 0o600));
  own(uid, paths.socketFolder, paths.console);
  // What was seen of an earlier machine must not be taken for this one's.
  for (const stale of [paths.events, paths.nicChange]) rmSync(stale, { force: true });
  markConsoleStart(paths);
}

function own(uid: number | null, ...files: readonly string[]): void {
  if (uid !== null) for (const file of files) chownSync(file, uid, uid);
}

interface PreparedDisks {
  readonly volumes: readonly { readonly volume: Volume; readonly layers: readonly string[] }[];
  readonly instanceStore: readonly string[];
  readonly firmware: Firmware;
}

/** Makes what is missing: overlays at the first start, firmware variables, the NoCloud seed. */
async function prepareDisks(
  ctx: Ec2Context,
  instance: Instance,
  attached: readonly NetworkInterface[],
): Promise<PreparedDisks> {
  const paths = ctx.layout.instance(instance.instanceId);
  const disks = await Promise.all(
    volumes.listBy(ctx.db, 'instance_id', instance.instanceId).map(async (volume) => ({
      volume,
      layers: await ensureVolume(ctx, volume, { uid: instance.uid }),
    })),
  );
  failpoint('launch:volumes');
  if (instance.datasource === 'nocloud') {
    await writeSeed(ctx, instance, attached);
    own(instance.uid, paths.seed);
  }
  if (instance.firstBoot === 'ignition' && instance.hasUserData) {
    copyFileSync(paths.userData, paths.ignition);
    chmodSync(paths.ignition, 0o600);
    own(instance.uid, paths.ignition);
  }
  return {
    volumes: disks,
    instanceStore: await makeInstanceStore(ctx, instance),
    firmware: await prepareFirmware(ctx, instance),
  };
}

/** New and empty at each start: what an instance store held goes with a stop (AWS: "Instance store"). */
async function makeInstanceStore(ctx: Ec2Context, instance: Instance): Promise<readonly string[]> {
  const { instanceStore: folder } = ctx.layout.instance(instance.instanceId);
  rmSync(folder, { recursive: true, force: true });
  if (instance.instanceStore.length === 0) return [];
  makeFolder(folder, instance.uid === null ? 0o700 : 0o711);
  return Promise.all(
    instance.instanceStore.map(async ({ virtualName, bytes }) => {
      const path = `${folder}/${virtualName}.qcow2`;
      await createEmpty({ path, sizeBytes: bytes });
      chmodSync(path, 0o600);
      own(instance.uid, path);
      return path;
    }),
  );
}

async function prepareFirmware(ctx: Ec2Context, instance: Instance): Promise<Firmware> {
  if (instance.bootMode === 'legacy-bios') return { kind: 'bios' };
  const pair = findFirmware(instance.architecture);
  const variables = ctx.layout.instance(instance.instanceId).firmwareVariables;
  if (!existsSync(variables)) {
    copyVariables(pair.variables, variables);
    own(instance.uid, variables);
  }
  return { kind: 'uefi', code: pair.code, variables };
}

interface Connection {
  readonly instance: Instance;
  readonly attached: readonly NetworkInterface[];
  readonly undo: Undo;
}

/** The interfaces are plugged and the metadata service answers before the machine starts: a late answer costs a guest minutes. */
async function connect(ctx: Ec2Context, { instance, attached, undo }: Connection): Promise<void> {
  const agentStarts = ensureAgent(ctx.layout.agent, { script: ctx.agentScript, home: ctx.layout.home });
  try {
    for (const each of attached) {
      undo.add(`interface ${each.networkInterfaceId}`, () => unplugInterface(ctx, each));
      await plugInterface(ctx, each);
    }
    failpoint('launch:interface');
    const agent = await agentStarts;
    await agent.serve({ vpcId: instance.vpcId });
  } finally {
    // A conversation left open would keep both ends alive.
    agentStarts.then(
      (agent) => agent.close(),
      () => undefined,
    );
  }
  failpoint('launch:metadata');
}

/** The group that may open /dev/kvm, which the machine's own user is not in by itself. */
function kvmGroups({ accelerator }: Instance): readonly number[] {
  return accelerator === 'kvm' ? [statSync('/dev/kvm').gid] : [];
}
