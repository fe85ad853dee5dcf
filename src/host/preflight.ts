// What the host has and lacks, fact by fact: found out by trying, and each ending in something to type. The same
// facts say why a test is skipped.
import { accessSync, constants, existsSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { overlaps, parseCidr } from '../core/cidr.ts';
import { hostArchitecture, type Architecture } from '../core/architecture.ts';
import { messageOf } from '../core/errors.ts';
import { commandPath, installHint, run } from './command.ts';
import { hostTables } from './firewall/apply.ts';
import { hostNetworks } from './link/uplink.ts';
import { probeAccelerator } from './qemu/accelerator.ts';
import { findFirmware } from './qemu/firmware.ts';
import { MACHINE_TABLE } from './qemu/machine-table.ts';

export interface Finding {
  readonly name: string;
  /** `fail`: nothing can be launched; `warn`: something will not work or is slow; `info`: good to know. */
  readonly status: 'ok' | 'info' | 'warn' | 'fail';
  readonly fact: string;
  /** A command that mends it. */
  readonly remedy?: string;
}

export interface Surroundings {
  readonly home: string;
  readonly knownFacts: string;
  /** Our own links, whose networks are no clash. */
  readonly ownLinks: readonly string[];
  /** For tests: another tun device. */
  readonly tunDevice?: string;
}

const OLDEST_QEMU = [7, 2] as const;
const LOW_SPACE = 4 * 2 ** 30;
const COMMANDS = [
  'ip',
  'bridge',
  'nft',
  'sysctl',
  'dnsmasq',
  'nsenter',
  'setpriv',
  'flock',
  'qemu-img',
  'ssh',
  'scp',
  'ssh-keygen',
  'mformat',
  'mcopy',
];

/** All findings about the host; independent ones are probed at once. */
export async function hostFindings(around: Surroundings): Promise<readonly Finding[]> {
  const found = await Promise.all([
    guarded('root', async () => root()),
    ...(['x86_64', 'arm64', 'armhf'] as const).map((architecture) =>
      guarded(`qemu ${architecture}`, () => qemu(architecture)),
    ),
    guarded('kvm', () => kvm(around)),
    guarded('firmware', async () => firmware()),
    guarded('tun', async () => tun(around.tunDevice ?? '/dev/net/tun')),
    guarded('commands', commands),
    guarded('links', links),
    guarded('firewall', firewall),
    guarded('forwarding', forwarding),
    guarded('network', () => networkClash(around.ownLinks)),
    guarded('disk', async () => disk(around.home)),
    guarded('memory', async () => memory()),
  ]);
  return found.flat();
}

async function guarded(
  name: string,
  probe: () => Promise<Finding | readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return [await probe()].flat();
  } catch (error) {
    return [{ name, status: 'warn', fact: `could not be found out: ${messageOf(error)}` }];
  }
}

function root(): Finding {
  if (process.getuid?.() === 0) return { name: 'root', status: 'ok', fact: 'running as root' };
  return {
    name: 'root',
    status: 'fail',
    fact: 'namespaces, bridges and taps need root',
    remedy: 'sudo bonami …',
  };
}

async function qemu(architecture: Architecture): Promise<Finding> {
  const { binary } = MACHINE_TABLE[architecture];
  const name = `qemu ${architecture}`;
  const needed = architecture === hostArchitecture();
  if ((await commandPath(binary)) === undefined)
    return {
      name,
      status: needed ? 'fail' : 'info',
      fact: `${binary} is not installed${needed ? '' : `; only ${architecture} images need it`}`,
      remedy: installHint(binary),
    };
  const { stdout } = await run(binary, ['-version']);
  const [, major = '0', minor = '0'] = /version (\d+)\.(\d+)/.exec(stdout) ?? [];
  const isOld =
    Number(major) < OLDEST_QEMU[0] || (Number(major) === OLDEST_QEMU[0] && Number(minor) < OLDEST_QEMU[1]);
  if (isOld)
    return {
      name,
      status: 'fail',
      fact: `QEMU ${major}.${minor} is older than ${OLDEST_QEMU.join('.')}`,
      remedy: 'upgrade QEMU',
    };
  return { name, status: 'ok', fact: `QEMU ${major}.${minor}` };
}

async function kvm({ knownFacts }: Surroundings): Promise<Finding> {
  const architecture = hostArchitecture() ?? 'x86_64';
  const verdict = await probeAccelerator({
    architecture,
    hostArchitecture: architecture,
    binary: MACHINE_TABLE[architecture].binary,
    knownFacts,
  });
  if (verdict.accelerator === 'kvm')
    return { name: 'kvm', status: 'ok', fact: 'runs guest kernels (proved)' };
  return {
    name: 'kvm',
    status: 'warn',
    fact: `not usable: ${verdict.reason}. Guests are emulated (TCG): much slower, and not a security boundary`,
    ...(verdict.remedy === undefined ? {} : { remedy: verdict.remedy }),
  };
}

function firmware(): readonly Finding[] {
  return (['x86_64', 'arm64', 'armhf'] as const).map((architecture) => {
    const name = `uefi ${architecture}`;
    try {
      return { name, status: 'ok' as const, fact: findFirmware(architecture).code };
    } catch (error) {
      const remedy = error instanceof Error && 'hint' in error ? String(error.hint) : '';
      return { name, status: 'info' as const, fact: `${messageOf(error)}; only UEFI images need it`, remedy };
    }
  });
}

/** QEMU opens it under its own user id: distributions ship it with mode 0666 (systemd: 50-udev-default.rules). */
function tun(device: string): Finding {
  if (!existsSync(device))
    return { name: 'tun', status: 'fail', fact: `${device} does not exist`, remedy: 'sudo modprobe tun' };
  if ((statSync(device).mode & 0o006) !== 0o006)
    return {
      name: 'tun',
      status: 'fail',
      fact: `${device} is for root only, but machines run as users of their own`,
      remedy: `sudo chmod 0666 ${device}`,
    };
  accessSync(device, constants.R_OK | constants.W_OK);
  return { name: 'tun', status: 'ok', fact: `${device} can be opened by machines` };
}

async function commands(): Promise<readonly Finding[]> {
  const missing = (
    await Promise.all(
      COMMANDS.map(async (command) => ((await commandPath(command)) === undefined ? [command] : [])),
    )
  ).flat();
  if (missing.length === 0)
    return [{ name: 'commands', status: 'ok', fact: `${COMMANDS.length} host commands are there` }];
  return missing.map((command) => ({
    name: 'commands',
    status: 'fail',
    fact: `'${command}' is not installed`,
    remedy: installHint(command),
  }));
}

/** Tried in a namespace that lives as long as the trial. */
async function links(): Promise<Finding> {
  const script = [
    'link add b0 type bridge',
    'link add v0 type veth peer name v1',
    'link set v0 master b0',
    'link set v0 type bridge_slave isolated on',
  ];
  await run('unshare', ['-n', 'ip', '-batch', '-'], { input: `${script.join('\n')}\n` });
  return { name: 'links', status: 'ok', fact: 'bridge, veth and isolated ports work' };
}

async function firewall(): Promise<readonly Finding[]> {
  const text =
    'table inet t {\n  chain c {\n    type filter hook forward priority 0; policy drop;\n    ct state established accept\n  }\n}\ntable netdev g {\n  chain c {\n    type filter hook ingress device "lo" priority 0; policy accept;\n  }\n}\n';
  await run('unshare', ['-n', 'nft', '-f', '-'], { input: text });
  return [
    { name: 'firewall', status: 'ok', fact: 'nftables takes inet and netdev tables' },
    ...(await foreignFirewalls()),
  ];
}

/** A drop in any base chain of the host wins over our accept (nft(8)). */
async function foreignFirewalls(): Promise<readonly Finding[]> {
  const tables = await hostTables();
  const found: Finding[] = [];
  if (tables.some((table) => /firewalld/.test(table)))
    found.push({
      name: 'firewalld',
      status: 'warn',
      fact: 'firewalld rejects what it does not know',
      remedy:
        'sudo firewall-cmd --permanent --zone=trusted --add-interface=bnv+ && sudo firewall-cmd --reload',
    });
  if (tables.includes('ip filter')) {
    const { stdout } = await run('nft', ['list', 'chain', 'ip', 'filter', 'FORWARD'], { answers: [1] });
    if (/policy drop/.test(stdout)) {
      const isDocker = /DOCKER/.test(stdout);
      found.push({
        name: isDocker ? 'docker' : 'forwarding',
        status: 'warn',
        fact: `${isDocker ? 'Docker' : 'a firewall'} drops forwarded traffic: instances do not get out`,
        remedy: `sudo iptables -I ${isDocker ? 'DOCKER-USER' : 'FORWARD'} -i bnv+ -j ACCEPT && sudo iptables -I ${isDocker ? 'DOCKER-USER' : 'FORWARD'} -o bnv+ -j ACCEPT`,
      });
    }
  }
  return found;
}

async function forwarding(): Promise<Finding> {
  const isOn = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1';
  return {
    name: 'forwarding',
    status: isOn ? 'ok' : 'info',
    fact: isOn ? 'on' : 'off; the first launch switches it on',
  };
}

async function networkClash(ownLinks: readonly string[]): Promise<Finding> {
  const vpc = parseCidr('172.31.0.0/16');
  const clash = (await hostNetworks()).find(
    ({ cidr, device }) => !ownLinks.includes(device) && overlaps(cidr, vpc),
  );
  if (clash === undefined)
    return { name: 'network', status: 'ok', fact: '172.31.0.0/16 is free for the default VPC' };
  return {
    name: 'network',
    status: 'info',
    fact: `this host uses 172.31.0.0/16 itself (${clash.device}): a new default VPC gets another block`,
  };
}

function disk(home: string): Finding {
  const { bavail, bsize } = statfsSync(home);
  const free = bavail * bsize;
  const fact = `${(free / 2 ** 30).toFixed(1)} GiB free in ${home}`;
  return free < LOW_SPACE
    ? { name: 'disk', status: 'warn', fact, remedy: 'free some space, or set BONAMI_HOME to another disk' }
    : { name: 'disk', status: 'ok', fact };
}

function memory(): Finding {
  const available =
    Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) / 1024;
  return {
    name: 'memory',
    status: available < 1024 ? 'warn' : 'ok',
    fact: `${Math.floor(available)} MiB available`,
  };
}
