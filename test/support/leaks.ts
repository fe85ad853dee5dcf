// What a test may leave on the host: nothing. A snapshot before, the differences after.
import { execa } from 'execa';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { layoutOf, locate } from '../../src/store/layout.ts';

export type Snapshot = ReadonlySet<string>;

/** Programs that bonami starts and that must not outlive what they serve. */
const PROGRAMS = /^(qemu-system-|dnsmasq$|ssh$|scp$|nsenter$|socat$|slirp4netns$|pasta$)/;
const SCRIPTS = /dist\/(main|agent|connect-helper|listen-helper)\.js/;
/** The agent stays for a few seconds in case another launch follows; so does a socket in TIME_WAIT. */
const PATIENCE_MS = 10_000;

/** Everything of the host that bonami can change: namespaces, links, routes, rules, processes, mounts, temporary files. */
export async function snapshot(): Promise<Snapshot> {
  const [links, rules, routes, policy, policy6, proxied] = await Promise.all([
    output('ip', '-j', 'link'),
    output('nft', '-s', 'list', 'ruleset'),
    output('ip', 'route', 'show', 'table', 'all'),
    output('ip', 'rule'),
    output('ip', '-6', 'rule'),
    output('ip', 'neigh', 'show', 'proxy'),
  ]);
  return new Set([
    ...entries('/run/netns').map((name) => `namespace ${name}`),
    ...(JSON.parse(links || '[]') as { ifname: string }[]).map(({ ifname }) => `link ${ifname}`),
    ...lines(rules)
      // Whole tables of ours, and rules of ours in tables of others.
      .filter((line) => line.startsWith('table') || line.includes('comment "bonami"'))
      .map((line) => `nft ${line.trim()}`),
    ...lines(routes).map((line) => `route ${line}`),
    ...[...lines(policy), ...lines(policy6)].map((line) => `rule ${line}`),
    ...lines(proxied).map((line) => `proxied ${line}`),
    ...lines(readFileSync('/proc/self/mounts', 'utf8')).map((line) => `mount ${line.split(' ')[1]}`),
    ...entries('/tmp')
      .filter((name) => name.startsWith('bonami'))
      .map((name) => `file /tmp/${name}`),
    ...entries('/sys/class/block')
      .filter((name) => existsSync(`/sys/class/block/${name}/loop/backing_file`))
      .map((name) => `loop ${name}`),
    ...entries('/proc').filter(isOurs).map(processLine),
  ]);
}

/**
 * What is there now and was not there before, once the host had a moment to settle. With a home, also what a home
 * without instances must not hold.
 */
export async function leaksSince(
  before: Snapshot,
  { home }: { readonly home?: string } = {},
): Promise<readonly string[]> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = [
      ...[...(await snapshot())].filter((each) => !before.has(each)),
      ...(home === undefined ? [] : leftovers(home)),
    ];
    if (found.length === 0 || Date.now() > deadline) return found;
    await sleep(200);
  }
}

/** For the end of a test, with its home, or of a test file. */
export async function expectNoLeaks(
  before: Snapshot,
  options: { readonly home?: string } = {},
): Promise<void> {
  const found = await leaksSince(before, options);
  if (found.length > 0) throw new Error(`left behind:\n${found.join('\n')}`);
}

function leftovers(home: string): string[] {
  const layout = layoutOf(locate({ BONAMI_HOME: home }));
  return [layout.volumes, layout.instances, layout.incoming]
    .flatMap((folder) => entries(folder).map((name) => `${folder}/${name}`))
    .concat(
      entries(layout.run)
        .filter((name) => /^(i-|vpc-)/.test(name) && !name.endsWith('.lock'))
        .map((name) => `${layout.run}/${name}`),
    );
}

function isOurs(pid: string): boolean {
  if (!/^\d+$/.test(pid)) return false;
  const words = argumentsOf(pid);
  return (
    PROGRAMS.test(words[0]?.split('/').at(-1) ?? '') ||
    words.some((word) => SCRIPTS.test(word)) ||
    isAnchor(pid, words)
  );
}

/** What keeps an ordinary user's networks: it sleeps, in a user namespace. */
function isAnchor(pid: string, [program, argument]: readonly string[]): boolean {
  return (
    program === 'sleep' && argument === 'infinity' && namespaceOf(pid, 'user') !== namespaceOf('self', 'user')
  );
}

function processLine(pid: string): string {
  return `process ${pid} ${argumentsOf(pid).slice(0, 6).join(' ')} (in ${namespaceOf(pid, 'net')})`;
}

function argumentsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

function namespaceOf(pid: string, kind: 'net' | 'user'): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return 'no namespace';
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

async function output(command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execa(command, args, { reject: false });
  return stdout;
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
