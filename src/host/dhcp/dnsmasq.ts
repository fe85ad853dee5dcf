// Addresses and names for one private network: a dnsmasq in its namespace, stateless, restarted by whoever finds it
// dead. Machines have fixed leases, a file each, which dnsmasq notices as it appears.
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { HostError } from '../../core/errors.ts';
import { startDetached } from '../command.ts';
import { commandIn, isInside, type Namespace } from '../link/namespace.ts';
import { identify, isRunning, recordedIdentity, recordIdentity, signalProcess } from '../process/identity.ts';
import { isLocked, lock } from '../process/lock.ts';
import { waitUntil } from '../wait-until.ts';
import { dnsmasqConfig, type DhcpNetwork } from './dnsmasq-config.ts';

export interface DhcpPaths {
  readonly runFolder: string;
  /** Held by dnsmasq itself. */
  readonly dnsmasqLock: string;
  readonly dnsmasqProcess: string;
  readonly dnsmasqLog: string;
  /** Leases and names, a file per machine each. */
  readonly dhcpHosts: string;
  readonly dnsNames: string;
}

/** Where dnsmasq runs. */
export interface DhcpPlace {
  readonly namespace: Namespace;
  /** In a user namespace nobody has a user id but its root, who has no power outside. */
  readonly isRootless: boolean;
}

/** Makes sure that dnsmasq serves this very network in this very namespace, with exactly these machines. */
export async function ensureDnsmasq(
  paths: DhcpPaths,
  { namespace, isRootless }: DhcpPlace,
  network: DhcpNetwork,
): Promise<void> {
  // No group keeps the one it has: an ordinary user's namespace lets nobody change theirs (user_namespaces(7)).
  const user = isRootless ? { user: 'root', group: '' } : { user: 'nobody', group: 'nogroup' };
  const text = dnsmasqConfig(network, paths, user);
  const config = configFile(paths);
  if (isServing(paths, namespace) && readFileSync(config, 'utf8') === text) return;
  await stopDnsmasq(paths);
  prepareFolders(paths);
  rmSync(staleMark(paths), { force: true });
  writeFileSync(config, text);
  const held = await lock(paths.dnsmasqLock, { purpose: 'start dnsmasq', timeoutMs: 5_000 });
  const output = openSync(paths.dnsmasqLog, 'w', 0o600);
  try {
    const { command, args } = commandIn(namespace, 'dnsmasq', [`--conf-file=${config}`]);
    const pid = await startDetached(command, args, { output, inherit: [held.descriptor] });
    const identity = identify(pid);
    if (identity) recordIdentity(paths.dnsmasqProcess, identity);
    await untilServing(paths, pid, network.answersNames);
  } finally {
    closeSync(output);
    held.release();
  }
}

function configFile({ runFolder }: DhcpPaths): string {
  return join(runFolder, 'dnsmasq.conf');
}

/**
 * Whether the recorded dnsmasq runs, remembers no lease that was taken back, and is in the namespace that there is
 * now: one left in an old one answers nobody.
 */
export function isServing(paths: DhcpPaths, namespace: Namespace): boolean {
  if (existsSync(staleMark(paths))) return false;
  const identity = recordedIdentity(paths.dnsmasqProcess);
  return identity !== undefined && isRunning(identity) && isInside(namespace, identity.pid);
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
  /** Names its files: a link name. */
  readonly key: string;
  readonly mac: string;
  /** The one that it gets by DHCP. */
  readonly address: string;
  readonly address6?: string;
  readonly hostname: string;
  /** Every address with its names, the one that it is known by first. */
  readonly names: readonly { readonly address: string; readonly names: readonly string[] }[];
}

/**
 * Gives exactly these machines their fixed leases and names. New ones are noticed at once by a running dnsmasq, and
 * names that have gone too. Leases that were taken back it forgets only when it is restarted: by the agent soon, or
 * else by the next launch, before the address can be given to somebody else.
 */
export function syncDhcpHosts(paths: DhcpPaths, hosts: readonly DhcpHost[]): void {
  prepareFolders(paths);
  const leases = new Map(hosts.map((host) => [host.key, leaseLine(host)]));
  for (const key of readdirSync(paths.dhcpHosts)) {
    if (leases.get(key) === readFileSync(join(paths.dhcpHosts, key), 'utf8')) leases.delete(key);
    else {
      writeFileSync(staleMark(paths), '', { mode: 0o600 });
      rmSync(join(paths.dhcpHosts, key));
    }
  }
  for (const [key, text] of leases) put(paths, join(paths.dhcpHosts, key), text);
  const names = new Map(hosts.map((host) => [host.key, nameLines(host)]));
  for (const key of readdirSync(paths.dnsNames)) {
    const file = join(paths.dnsNames, key);
    if (names.get(key) === readFileSync(file, 'utf8')) names.delete(key);
    else if (!names.has(key)) rmSync(file);
  }
  for (const [key, text] of names) put(paths, join(paths.dnsNames, key), text);
}

/** `id:*`: images change their client ids. */
function leaseLine({ mac, address, address6, hostname }: DhcpHost): string {
  return `${mac},id:*,${address},${address6 === undefined ? '' : `[${address6}],`}${hostname}\n`;
}

function nameLines({ names }: DhcpHost): string {
  return names.map((each) => `${each.address} ${each.names.join(' ')}\n`).join('');
}

/** Complete and readable before it appears: dnsmasq reads it, as nobody, the moment it does. */
function put({ runFolder }: DhcpPaths, file: string, text: string): void {
  const fresh = join(runFolder, 'host.new');
  writeFileSync(fresh, text);
  chmodSync(fresh, 0o644);
  renameSync(fresh, file);
}

/** Present when a running dnsmasq remembers leases that have been taken back. */
function staleMark({ runFolder }: DhcpPaths): string {
  return join(runFolder, 'dhcp-stale');
}

function prepareFolders({ runFolder, dhcpHosts, dnsNames }: DhcpPaths): void {
  mkdirSync(runFolder, { recursive: true, mode: 0o711 });
  // dnsmasq reads them as nobody.
  chmodSync(runFolder, 0o711);
  for (const folder of [dhcpHosts, dnsNames]) {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    chmodSync(folder, 0o755);
  }
}

/** Serving means: its sockets for addresses (67) and, if it answers any, for names (53) are bound, in its namespace. */
async function untilServing(paths: DhcpPaths, pid: number, answersNames: boolean): Promise<void> {
  const ready = await waitUntil(
    () => {
      if (identify(pid) === undefined) throw failed(paths);
      const sockets = readFileSync(`/proc/${pid}/net/udp`, 'utf8');
      return (!answersNames || /:0035 /.test(sockets)) && /:0043 /.test(sockets) ? true : undefined;
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
