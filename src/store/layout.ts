// Every path of a bonami home. Nothing else in the house joins path pieces of it.
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, statSync, statfsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { HostError } from '../core/errors.ts';
import type { ImageId, InstanceId, KeyPairId, SnapshotId, VolumeId, VpcId } from '../core/ids.ts';

/** sockaddr_un.sun_path holds 108 bytes with its final NUL (unix(7)). */
const SOCKET_PATH_LIMIT = 107;
/** `statfs` types of file systems where flock or SQLite's shared memory cannot be relied upon: NFS, SMB, CIFS, 9P. */
const NETWORK_FILE_SYSTEMS = new Set([0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x01021997]);

export interface Layout {
  /** What lasts: records, images, volumes, instance folders. */
  readonly home: string;
  /** What is void after a reboot: sockets, locks, process identities. */
  readonly run: string;
  readonly database: string;
  readonly identityKey: string;
  readonly incoming: string;
  readonly keys: string;
  readonly snapshots: string;
  readonly volumes: string;
  readonly instances: string;
  image(id: ImageId): ArrivalPaths;
  snapshot(id: SnapshotId): SnapshotPaths;
  volume(id: VolumeId): VolumePaths;
  instance(id: InstanceId): InstancePaths;
  keyPair(id: KeyPairId): { readonly privateKey: string };
  vpc(id: VpcId): VpcPaths;
  readonly agent: AgentPaths;
  readonly ground: GroundPaths;
  readonly knownFacts: string;
  /** What OpenSSH's client reads of instances, once it is installed. */
  readonly sshConfig: string;
}

/** Something that is on its way into the store. */
export interface ArrivalPaths {
  /** Where its disks are made; they leave it by a rename. */
  readonly incoming: string;
  /** Held while it is pending. */
  readonly lock: string;
}
export interface SnapshotPaths extends ArrivalPaths {
  /** Its layers (see host/disk/layers.ts). */
  readonly folder: string;
}
export interface VolumePaths {
  /** Its layers; the highest is the one that is written to. */
  readonly folder: string;
  /** Held by whoever works on a volume that no instance has. */
  readonly lock: string;
}
export interface InstancePaths {
  readonly folder: string;
  readonly console: string;
  readonly firmwareVariables: string;
  readonly userData: string;
  readonly seed: string;
  /** User data for a guest that Ignition configures. */
  readonly ignition: string;
  /** The disks of its instance store, new at each start. */
  readonly instanceStore: string;
  readonly runFolder: string;
  readonly operationLock: string;
  /** Held by QEMU itself: says whether the instance lives. */
  readonly runLock: string;
  /** The machine's process identity and where its sockets are. */
  readonly machine: string;
  /** The only folder that the machine's own user may write to; nothing in it is believed. */
  readonly socketFolder: string;
  readonly qmpAgent: string;
  readonly qmpCli: string;
  readonly serial: string;
  readonly qemuLog: string;
  /** There while interfaces are plugged into or pulled out of the machine. */
  readonly nicChange: string;
  /** What the metadata service saw of this instance, a JSON line each. */
  readonly events: string;
}
export interface VpcPaths {
  readonly runFolder: string;
  readonly lock: string;
  readonly dnsmasqLock: string;
  readonly dnsmasqProcess: string;
  readonly dnsmasqLog: string;
  readonly dhcpHosts: string;
  readonly dnsNames: string;
}
export interface AgentPaths {
  readonly lock: string;
  readonly socket: string;
  readonly log: string;
}
/** What an ordinary user's networks stand on (see host/ground/). */
export interface GroundPaths {
  readonly runFolder: string;
  /** Held while it is built, mended or taken away. */
  readonly lock: string;
  readonly uplinkLock: string;
  /** Held by the anchor itself. */
  readonly anchorLock: string;
  readonly anchorProcess: string;
  readonly anchorLog: string;
  readonly wayOutProcess: string;
  readonly wayOutLog: string;
}

/** Where bonami keeps its things for this user: $BONAMI_HOME, or /var/lib/bonami for root, or the XDG folders. */
export function locate(
  env: NodeJS.ProcessEnv = process.env,
  uid: number = process.getuid?.() ?? 0,
): { home: string; run: string } {
  // An empty variable counts as one that is not set (XDG Base Directory Specification).
  const data = env['XDG_DATA_HOME'] || join(env['HOME'] ?? '/', '.local/share');
  const usual = uid === 0 ? '/var/lib/bonami' : join(data, 'bonami');
  const home = env['BONAMI_HOME'] ? resolve(env['BONAMI_HOME']) : usual;
  // The run folder moves with the home, but must stay short and on a local file system.
  const tag = home === usual ? '' : `-${createHash('sha256').update(home).digest('hex').slice(0, 12)}`;
  const runtime = uid === 0 ? '/run' : env['XDG_RUNTIME_DIR'] || `/tmp/bonami-${uid}`;
  return { home, run: `${runtime}/bonami${tag}` };
}

/** All paths below a home and its run folder; touches nothing. */
export function layoutOf({ home, run }: { readonly home: string; readonly run: string }): Layout {
  return {
    home,
    run,
    database: join(home, 'state.db'),
    identityKey: join(home, 'identity.pem'),
    incoming: join(home, 'incoming'),
    keys: join(home, 'keys'),
    snapshots: join(home, 'snapshots'),
    volumes: join(home, 'volumes'),
    instances: join(home, 'instances'),
    image: (id) => ({ incoming: join(home, 'incoming', id), lock: join(run, `${id}.lock`) }),
    snapshot: (id) => ({
      incoming: join(home, 'incoming', id),
      folder: join(home, 'snapshots', id),
      lock: join(run, `${id}.lock`),
    }),
    volume: (id) => ({ folder: join(home, 'volumes', id), lock: join(run, `${id}.lock`) }),
    keyPair: (id) => ({ privateKey: join(home, 'keys', id) }),
    instance: (id) => {
      const folder = join(home, 'instances', id);
      const runFolder = join(run, id);
      return {
        folder,
        console: join(folder, 'console.log'),
        firmwareVariables: join(folder, 'firmware-vars.fd'),
        userData: join(folder, 'user-data'),
        seed: join(folder, 'seed.img'),
        ignition: join(folder, 'ignition.json'),
        instanceStore: join(folder, 'instance-store'),
        runFolder,
        operationLock: join(run, `${id}.lock`),
        runLock: join(runFolder, 'run.lock'),
        machine: join(runFolder, 'machine.json'),
        socketFolder: join(runFolder, 'vm'),
        qmpAgent: join(runFolder, 'vm', 'qmp-agent.sock'),
        qmpCli: join(runFolder, 'vm', 'qmp-cli.sock'),
        serial: join(runFolder, 'vm', 'serial.sock'),
        qemuLog: join(runFolder, 'qemu.log'),
        nicChange: join(runFolder, 'nic-change'),
        events: join(runFolder, 'events.jsonl'),
      };
    },
    vpc: (id) => {
      const runFolder = join(run, id);
      return {
        runFolder,
        lock: join(run, `${id}.lock`),
        dnsmasqLock: join(runFolder, 'dnsmasq.lock'),
        dnsmasqProcess: join(runFolder, 'dnsmasq.json'),
        dnsmasqLog: join(runFolder, 'dnsmasq.log'),
        dhcpHosts: join(runFolder, 'dhcp-hosts'),
        dnsNames: join(runFolder, 'dns-names'),
      };
    },
    agent: { lock: join(run, 'agent.lock'), socket: join(run, 'agent.sock'), log: join(run, 'agent.log') },
    ground: {
      runFolder: join(run, 'ground'),
      lock: join(run, 'ground.lock'),
      uplinkLock: join(run, 'uplink.lock'),
      anchorLock: join(run, 'ground', 'anchor.lock'),
      anchorProcess: join(run, 'ground', 'anchor.json'),
      anchorLog: join(run, 'ground', 'anchor.log'),
      wayOutProcess: join(run, 'ground', 'way-out.json'),
      wayOutLog: join(run, 'ground', 'way-out.log'),
    },
    knownFacts: join(run, 'facts.json'),
    sshConfig: join(home, 'ssh_config'),
  };
}

/**
 * Makes the folders of a home. Refuses a home that others may write to, that lies on a network file system, or
 * whose paths could be misread by QEMU's option syntax. As root the home may be traversed (0711): each QEMU runs
 * under a user id of its own and reaches its files by their full path, and nothing can be listed.
 */
export function prepareHome(layout: Layout): void {
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700;
  for (const path of [layout.home, layout.run])
    if (/[^\w@%+./-]/.test(path))
      throw new HostError(
        'InvalidHome',
        `the path '${path}' has a character that bonami does not allow in its home`,
        {
          hint: 'set BONAMI_HOME to a path of letters, digits and . _ - + @ %',
        },
      );
  const longest = layout.instance('i-00000000000000000').qmpAgent;
  if (Buffer.byteLength(longest) > SOCKET_PATH_LIMIT)
    throw new HostError(
      'InvalidHome',
      `the socket path '${longest}' is longer than ${SOCKET_PATH_LIMIT} bytes`,
      {
        hint: 'set XDG_RUNTIME_DIR or BONAMI_HOME to a shorter path',
      },
    );
  // Whoever owns the folder above the run folder could put another one in its place: in /tmp that may be anybody.
  const above = dirname(layout.run);
  if (process.getuid?.() !== 0) {
    mkdirSync(above, { recursive: true, mode: 0o700 });
    refuseUnsafeFolder(above);
  }
  for (const folder of [layout.home, layout.run]) {
    if (existsSync(folder)) refuseUnsafeFolder(folder);
    makeFolder(folder, mode);
    refuseUnsafeFolder(folder);
  }
  for (const folder of [layout.snapshots, layout.volumes, layout.instances]) makeFolder(folder, mode);
  for (const folder of [layout.incoming, layout.keys]) makeFolder(folder, 0o700);
}

/** Makes a folder with exactly this mode, whatever the umask. */
export function makeFolder(path: string, mode: number): void {
  mkdirSync(path, { recursive: true, mode });
  chmodSync(path, mode);
}

function refuseUnsafeFolder(folder: string): void {
  const { mode, uid } = statSync(folder);
  if (uid !== process.getuid?.())
    throw new HostError('InvalidHome', `'${folder}' belongs to another user (uid ${uid})`, {
      hint: 'set BONAMI_HOME and XDG_RUNTIME_DIR to folders of your own',
    });
  if ((mode & 0o022) !== 0)
    throw new HostError('InvalidHome', `'${folder}' may be written by others`, {
      hint: `chmod go-w ${folder}`,
    });
  if (NETWORK_FILE_SYSTEMS.has(statfsSync(folder).type))
    throw new HostError(
      'InvalidHome',
      `'${folder}' is on a network file system, where locks cannot be relied upon`,
      {
        hint: 'set BONAMI_HOME to a folder on a local disk',
      },
    );
}
