// What an ordinary user needs of a host, beside what root needs too.
import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { HostError } from '../../core/errors.ts';
import { commandPath, installHint, run } from '../command.ts';
import { choosePasser, type Passer, PASSERS } from '../ground/passers.ts';
import type { Finding } from './finding.ts';

/** Words before a command that is to run as root of namespaces of its own. */
export const IN_OWN_NAMESPACES = ['unshare', '--user', '--map-root-user', '--net', '--mount'] as const;

/** Kernel settings that keep user namespaces from ordinary users, each with the value that does not. */
const SETTINGS = [
  // Debian's and Arch's kernels.
  { name: 'kernel.unprivileged_userns_clone', refuses: (value: number) => value === 0, wanted: 1 },
  // user_namespaces(7).
  { name: 'user.max_user_namespaces', refuses: (value: number) => value === 0, wanted: 15_000 },
  // Ubuntu since 23.10: without a profile of its own a program has no privileges in its user namespace.
  {
    name: 'kernel.apparmor_restrict_unprivileged_userns',
    refuses: (value: number) => value === 1,
    wanted: 0,
  },
];

export interface KernelSettings {
  /** For tests: another /proc/sys. */
  readonly folder?: string;
}

/** Tried, not looked up: whoever forbids them may be anybody. The mount is what AppArmor refuses to a namespace's root. */
export async function userNamespaces(settings: KernelSettings = {}): Promise<Finding> {
  const [unshare, ...namespaces] = IN_OWN_NAMESPACES;
  const mount = ['mount', '-n', '-t', 'tmpfs', 'none', '/proc'];
  // 32: what mount(8) says when it is refused.
  const { exitCode, stderr } = await run(unshare, [...namespaces, ...mount], { answers: [1, 32] });
  if (exitCode === 0)
    return { name: 'user namespaces', status: 'ok', fact: 'ordinary users may have their own' };
  const culprit = refusingSetting(settings);
  const said = stderr.trim().split('\n').at(-1) ?? '';
  return {
    name: 'user namespaces',
    status: 'fail',
    fact: `this host keeps them from ordinary users (${culprit === undefined ? said : `${culprit.name}=${culprit.value}`})`,
    remedy:
      culprit === undefined
        ? 'sudo bonami …'
        : `echo ${culprit.name}=${culprit.wanted} | sudo tee /etc/sysctl.d/60-bonami.conf && sudo sysctl --system`,
  };
}

/** The kernel setting that forbids user namespaces, if one does. */
export function refusingSetting({ folder = '/proc/sys' }: KernelSettings = {}):
  | { readonly name: string; readonly value: number; readonly wanted: number }
  | undefined {
  for (const { name, refuses, wanted } of SETTINGS) {
    const path = `${folder}/${name.replaceAll('.', '/')}`;
    if (!existsSync(path)) continue;
    const value = Number(readFileSync(path, 'utf8').trim());
    if (refuses(value)) return { name, value, wanted };
  }
  return undefined;
}

/** The program that takes the traffic of an ordinary user's instances to the outside. */
export async function wayOut(): Promise<Finding> {
  const name = 'way out';
  let passer: Passer;
  try {
    passer = await choosePasser();
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return { name, status: 'fail', fact: error.message, ...(error.hint ? { remedy: error.hint } : {}) };
  }
  if (passer !== PASSERS[0])
    return {
      name,
      status: 'warn',
      fact: `instances reach the outside by ${passer}: uploads are slow and may break`,
      remedy: installHint(PASSERS[0]),
    };
  return { name, status: 'ok', fact: `instances reach the outside by ${passer}` };
}

/** Only images that are built from packages have files of several users. */
export async function subordinateIds(): Promise<Finding> {
  const name = 'subordinate ids';
  const { username } = userInfo();
  if ((await commandPath('newuidmap')) === undefined)
    return {
      name,
      status: 'info',
      fact: 'newuidmap is not installed; only building images needs it',
      remedy: installHint('newuidmap'),
    };
  const lacks = fileWithoutRange('/etc');
  if (lacks === undefined) return { name, status: 'ok', fact: 'there for building images' };
  return {
    name,
    status: 'info',
    fact: `'${username}' has none in ${lacks}; only building images needs them`,
    remedy: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}`,
  };
}

/** The first of the two files that gives this user no ids (subuid(5): name or number, first id, count). */
export function fileWithoutRange(folder: string): string | undefined {
  const owners = new Set([userInfo().username, String(process.getuid?.())]);
  const hasRange = (file: string): boolean =>
    existsSync(file) &&
    readFileSync(file, 'utf8')
      .split('\n')
      .some((line) => owners.has(line.split(':')[0] ?? ''));
  return [`${folder}/subuid`, `${folder}/subgid`].find((file) => !hasRange(file));
}

/** Pings leave as pings of the user's, which the kernel allows to some groups only (icmp(7)). */
export function pings(): Finding {
  const [first = 1, last = 0] = readFileSync('/proc/sys/net/ipv4/ping_group_range', 'utf8')
    .split(/\s+/)
    .map(Number);
  const groups = [process.getgid?.() ?? 0, ...(process.getgroups?.() ?? [])];
  if (groups.some((each) => each >= first && each <= last))
    return { name: 'ping', status: 'ok', fact: 'instances can ping the outside' };
  return {
    name: 'ping',
    status: 'info',
    fact: 'this host lets you send no pings (net.ipv4.ping_group_range), so instances get no answers from outside',
    remedy:
      "echo 'net.ipv4.ping_group_range=0 2147483647' | sudo tee /etc/sysctl.d/60-bonami-ping.conf && sudo sysctl --system",
  };
}

/** Without lingering the folder of sockets and locks goes when the user logs out, and with it the instances' (loginctl(1)). */
export function session(run: string): readonly Finding[] {
  if (!run.startsWith('/run/user/') || !existsSync('/run/systemd/system')) return [];
  const { username } = userInfo();
  if (existsSync(`/var/lib/systemd/linger/${username}`))
    return [{ name: 'session', status: 'ok', fact: 'instances outlive your login' }];
  return [
    {
      name: 'session',
      status: 'info',
      fact: `${run} goes when you log out, and instances are lost then`,
      remedy: 'loginctl enable-linger',
    },
  ];
}
