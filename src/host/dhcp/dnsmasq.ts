// Addresses and names for one private network: a dnsmasq in its namespace, stateless, restarted by whoever finds it
// dead. Machines have fixed leases, a file each, which dnsmasq notices as it appears.
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { HostError } from '../../core/errors.ts';
import { startDetached } from '../command.ts';
import { namespaceInode, namespacePath } from '../link/namespace.ts';
import { identify, isRunning, recordedIdentity, recordIdentity, signalProcess } from '../process/identity.ts';
import { isLocked, lock } from '../process/lock.ts';
import { waitUntil } from '../wait-until.ts';

export interface DhcpPaths {
  readonly runFolder: string;
  /** Held by dnsmasq itself. */
  readonly dnsmasqLock: string;
  readonly dnsmasqProcess: string;
  readonly dnsmasqLog: string;
  /** A file per machine. */
  readonly dhcpHosts: string;
}

export interface DhcpNetwork {
  readonly namespace: string;
  readonly cidr: string;
  readonly segments: readonly {
    readonly bridge: string;
    readonly network: string;
    readonly netmask: string;
    readonly router: string;
  }[];
  /** The name server's address, as machines are told it. */
  readonly resolver: string;
  readonly domain: string;
  readonly metadataAddress: string;
  readonly mtu: number;
  /** Servers to ask about other names; none makes every other name unknown at once. */
  readonly upstream: readonly string[];
}

/** dnsmasq's configuration; dnsmasq(8) explains every line. Pure. */
export function dnsmasqConfig(network: DhcpNetwork, hosts: string): string {
  return `${[
    'keep-in-foreground',
    'log-facility=-',
    'user=nobody',
    'group=nogroup',
    'pid-file=',
    // No lease file: every lease is fixed, so there is nothing to remember.
    'leasefile-ro',
    'bind-dynamic',
    ...network.segments.map(({ bridge }) => `interface=${bridge}`),
    `listen-address=${network.resolver}`,
    'listen-address=169.254.169.253',
    'except-interface=lo',
    'no-resolv',
    'no-hosts',
    // Answer at once: nobody else hands out addresses here, and nobody can take one.
    'no-ping',
    'dhcp-authoritative',
    `domain=${network.domain}`,
    `local=/${network.domain}/`,
    `synth-domain=${network.domain},${network.cidr},ip-`,
    `host-record=instance-data.${network.domain},${network.metadataAddress}`,
    // cloud-init tries these before it believes a resolver (cloudinit/util.py, is_resolvable): an answer from here
    // takes a millisecond, one from upstream may take seconds. Names without a dot never leave either.
    'domain-needed',
    'bogus-priv',
    'local=/invalid/',
    'local=/does-not-exist.example.com/',
    'local=/instance-data/',
    ...network.upstream.map((server) => `server=${server}`),
    ...network.segments.flatMap(({ network: start, netmask, router }, index) => [
      `dhcp-range=set:s${index},${start},static,${netmask},1h`,
      `dhcp-option=tag:s${index},3,${router}`,
    ]),
    `dhcp-option=6,${network.resolver}`,
    `dhcp-option=26,${network.mtu}`,
    `dhcp-hostsdir=${hosts}`,
  ].join('\n')}\n`;
}

/** Makes sure that dnsmasq serves this network, in this very namespace. */
export async function ensureDnsmasq(paths: DhcpPaths, network: DhcpNetwork): Promise<void> {
  if (isServing(paths, network.namespace)) return;
  await stopDnsmasq(paths);
  prepareFolders(paths);
  rmSync(staleMark(paths), { force: true });
  const config = join(paths.runFolder, 'dnsmasq.conf');
  writeFileSync(config, dnsmasqConfig(network, paths.dhcpHosts));
  const held = await lock(paths.dnsmasqLock, { purpose: 'start dnsmasq', timeoutMs: 5_000 });
  const output = openSync(paths.dnsmasqLog, 'w', 0o600);
  try {
    const pid = await startDetached(
      'nsenter',
      [`--net=${namespacePath(network.namespace)}`, 'dnsmasq', `--conf-file=${config}`],
      {
        output,
        inherit: [held.descriptor],
      },
    );
    const identity = identify(pid);
    if (identity) recordIdentity(paths.dnsmasqProcess, identity);
    await untilServing(paths, pid);
  } finally {
    closeSync(output);
    held.release();
  }
}

/**
 * Whether the recorded dnsmasq runs, remembers no lease that was taken back, and is in the namespace that there is
 * now: one left in an old one answers nobody.
 */
export function isServing(paths: DhcpPaths, namespace: string): boolean {
  if (existsSync(staleMark(paths))) return false;
  const identity = recordedIdentity(paths.dnsmasqProcess);
  if (identity === undefined || !isRunning(identity)) return false;
  try {
    return readlinkSync(`/proc/${identity.pid}/ns/net`) === `net:[${namespaceInode(namespace)}]`;
  } catch {
    return false;
  }
}

/** Ends dnsmasq; absent is success. */
export async function stopDnsmasq(paths: DhcpPaths): Promise<void> {
  const identity = recordedIdentity(paths.dnsmasqProcess);
  if (identity) signalProcess(identity, 'SIGKILL');
  // Both: an ending process lets go of its lock some milliseconds before its sockets, which the next one needs.
  const isThere = (): boolean =>
    (identity !== undefined && isRunning(identity)) || isLocked(paths.dnsmasqLock);
  const gone = await waitUntil(() => (isThere() ? undefined : true), { timeoutMs: 5_000 });
  if (gone !== true)
    throw new HostError('DnsmasqWontEnd', `a dnsmasq still holds '${paths.dnsmasqLock}'`, {
      hint: 'bonami doctor',
    });
  rmSync(paths.dnsmasqProcess, { force: true });
}

export interface DhcpHost {
  /** Names the file: a link name. */
  readonly key: string;
  readonly mac: string;
  readonly address: string;
  readonly hostname: string;
}

/** Gives a machine its fixed lease; noticed at once by a running dnsmasq. `id:*`: images change their client ids. */
export function putDhcpHost(paths: DhcpPaths, { key, mac, address, hostname }: DhcpHost): void {
  prepareFolders(paths);
  // Complete and readable before it appears: dnsmasq reads it, as nobody, the moment it does.
  const fresh = join(paths.runFolder, `${key}.new`);
  writeFileSync(fresh, `${mac},id:*,${address},${hostname}\n`);
  chmodSync(fresh, 0o644);
  renameSync(fresh, join(paths.dhcpHosts, key));
}

/**
 * Takes a lease back. dnsmasq does not notice that a file is gone; it forgets when it is restarted. The
 * agent does that soon, or else the next launch, before the address can be given to somebody else.
 */
export function removeDhcpHost(paths: DhcpPaths, key: string): void {
  const file = join(paths.dhcpHosts, key);
  if (!existsSync(file)) return;
  writeFileSync(staleMark(paths), '', { mode: 0o600 });
  rmSync(file);
}

/** Present when a running dnsmasq remembers leases that have been taken back. */
function staleMark({ runFolder }: DhcpPaths): string {
  return join(runFolder, 'dhcp-stale');
}

function prepareFolders({ runFolder, dhcpHosts }: DhcpPaths): void {
  mkdirSync(runFolder, { recursive: true, mode: 0o711 });
  mkdirSync(dhcpHosts, { recursive: true, mode: 0o755 });
  // dnsmasq reads it as nobody.
  chmodSync(runFolder, 0o711);
  chmodSync(dhcpHosts, 0o755);
}

/** Serving means: its sockets for names (53) and addresses (67) are bound, in its own namespace. */
async function untilServing(paths: DhcpPaths, pid: number): Promise<void> {
  const ready = await waitUntil(
    () => {
      if (identify(pid) === undefined) throw failed(paths);
      const sockets = readFileSync(`/proc/${pid}/net/udp`, 'utf8');
      return /:0035 /.test(sockets) && /:0043 /.test(sockets) ? true : undefined;
    },
    { timeoutMs: 10_000, pauseMs: 2, maxPauseMs: 20 },
  );
  if (ready === undefined) throw failed(paths);
}

function failed({ dnsmasqLog }: DhcpPaths): HostError {
  const said = readFileSync(dnsmasqLog, 'utf8').trim().split('\n');
  return new HostError('DnsmasqFailed', `dnsmasq did not start: ${said.at(-1) ?? ''}`, {
    hint: 'bonami doctor',
    details: said.slice(-4, -1),
  });
}
