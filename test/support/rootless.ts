// An ordinary user of a host of their own: a network namespace that plays the host, another one that plays the
// internet, and programs that run as that user in the former. Nothing gets out of this machine.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { execa } from 'execa';
import { processesThat } from '../../src/host/process/processes.ts';
import { layoutOf, locate, type Layout } from '../../src/store/layout.ts';
import type { Answer } from './cloud.ts';

const ROOT = join(import.meta.dirname, '../..');
/** scripts/test makes it. It has no subordinate ids and is in no group but its own. */
const USER = 'bonami-test';
const HOST = 'bonami-rl-host';
const OUTSIDE = 'bonami-rl-out';
/** TEST-NET-2 and TEST-NET-3 (RFC 5737). */
export const HOST_ADDRESS = '198.51.100.1';
export const OUTSIDE_ADDRESS = '198.51.100.2';
/** Another address of the same host. */
export const SECOND_HOST_ADDRESS = '203.0.113.9';
const PATIENCE_MS = 10_000;

/** What ground-child.ts prints. */
export interface Grounded {
  readonly ground: { readonly enter: readonly string[]; readonly file: string };
  readonly router: { readonly enter: readonly string[]; readonly file: string };
  readonly resolvers: readonly string[];
}

export class OrdinaryUser {
  readonly uid: number;
  readonly home: string;
  readonly layout: Layout;
  /** Where the program is, as npm would install it, for a checkout may be its owner's alone. */
  readonly #folder: string;
  readonly #children: { readonly kill: () => void; readonly ended: Promise<unknown> }[] = [];

  private constructor(uid: number, folder: string) {
    this.uid = uid;
    this.#folder = folder;
    this.home = join(folder, 'home');
    this.layout = layoutOf(locate({ BONAMI_HOME: this.home }, uid));
  }

  static async open(): Promise<OrdinaryUser> {
    const { stdout, exitCode } = await execa('id', ['-u', USER], { reject: false });
    if (exitCode !== 0) throw new Error(`there is no user '${USER}': run the tests by ./scripts/test`);
    const uid = Number(stdout);
    const user = new OrdinaryUser(uid, mkdtempSync('/var/tmp/bonami-rootless-'));
    await execa('chmod', ['0755', user.#folder]);
    mkdirSync(user.home, { mode: 0o700 });
    chownSync(user.home, uid, uid);
    await makeHost();
    return user;
  }

  /** Copies the built program to where the user can read it. */
  installProgram(): void {
    for (const part of ['dist', 'images', 'package.json'])
      cpSync(join(ROOT, part), join(this.#folder, 'bonami', part), { recursive: true });
    for (const part of ['libsql', '@libsql', '@neon-rs', 'detect-libc'])
      cpSync(join(ROOT, 'node_modules', part), join(this.#folder, 'bonami/node_modules', part), {
        recursive: true,
        dereference: true,
      });
  }

  /** Bundles ground-child.ts for the user. */
  async installGroundChild(): Promise<void> {
    await build({
      entryPoints: [join(ROOT, 'test/support/ground-child.ts')],
      outfile: join(this.#folder, 'ground-child.mjs'),
      bundle: true,
      format: 'esm',
      platform: 'node',
      external: ['libsql'],
      banner: {
        js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
      },
    });
  }

  /** Runs a command as the user on their host; a failure is an answer too. */
  async try(
    words: readonly string[],
    { input, env = {} }: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<Answer> {
    const [command = '', ...args] = this.#asUser(words, env);
    const { exitCode, stdout, stderr } = await execa(command, args, {
      reject: false,
      stripFinalNewline: false,
      ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    });
    return { code: exitCode ?? -1, stdout, stderr };
  }

  /** Runs one that must succeed. */
  async run(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.try(words);
    if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}\n${stderr}${stdout}`);
    return stdout;
  }

  /** Runs bonami, which must succeed. */
  async bonami(...args: readonly string[]): Promise<string> {
    return this.run(...this.program, ...args);
  }

  /** What a command in a guest says. */
  async inGuest(instance: string, command: string): Promise<string> {
    return (await this.bonami('ssh', instance, '--', command)).trim();
  }

  /** Runs bonami, and answers its output once this is in it: what `say` made it say. Ctrl-] ends it. */
  async converse(args: readonly string[], say: string, awaited: string): Promise<string> {
    const [command = '', ...words] = this.#asUser([...this.program, ...args], {});
    const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    let heard = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      heard += text;
      if (heard.includes(awaited)) child.stdin.write('\x1d');
    });
    child.stdin.write(say);
    const timer = setTimeout(() => child.kill('SIGKILL'), 2 * PATIENCE_MS);
    await ended;
    clearTimeout(timer);
    return heard;
  }

  /** Gives the user a file of their own. */
  give(source: string, name: string): string {
    const path = join(this.#folder, name);
    copyFileSync(source, path);
    chownSync(path, this.uid, this.uid);
    return path;
  }

  get program(): readonly string[] {
    return [process.execPath, join(this.#folder, 'bonami/dist/main.js')];
  }

  groundChild(task: string, router = 'a'): readonly string[] {
    return [process.execPath, join(this.#folder, 'ground-child.mjs'), this.home, task, router];
  }

  /** Lets a process of the user's do something with the ground (see ground-child.ts). */
  async ground(
    task: 'show' | 'ensure' | 'stand' | 'fall' | 'repair' | 'release',
    router = 'a',
    env: Readonly<Record<string, string>> = {},
  ): Promise<Grounded> {
    const { code, stdout, stderr } = await this.try(this.groundChild(task, router), { env });
    if (code !== 0) throw new Error(`${task} ended with ${code}\n${stderr}`);
    return JSON.parse(stdout) as Grounded;
  }

  /** Starts something of the user's, by way of other programs, that goes on until `close`. */
  async start(via: readonly string[], ...words: readonly string[]): Promise<void> {
    await this.#keep(this.#asUser([...via, ...words], {}));
    while (![...this.processes().values()].includes(words.join(' '))) await sleep(5);
  }

  /** Serves a line of text on a TCP port, in the internet or on the host. */
  async serve(where: 'outside' | 'host', address: string, port: number, text: string): Promise<void> {
    const answer = `(s) => s.on('error', () => {}).end(${JSON.stringify(text)})`;
    await this.#serve(where, `require('net').createServer(${answer}).listen(${port}, '${address}', say)`);
  }

  /** Answers with a line of text to every datagram. */
  async serveDatagrams(
    where: 'outside' | 'host',
    address: string,
    port: number,
    text: string,
  ): Promise<void> {
    const answer = `s.on('message', (_, from) => s.send(${JSON.stringify(text)}, from.port, from.address))`;
    const script = `const s = require('dgram').createSocket('udp4'); ${answer}; s.bind(${port}, '${address}', say)`;
    await this.#serve(where, script);
  }

  async #serve(where: 'outside' | 'host', script: string): Promise<void> {
    const namespace = where === 'host' ? HOST : OUTSIDE;
    const words = [process.execPath, '-e', `const say = () => console.log(); ${script}`];
    await this.#keep(['nsenter', `--net=/run/netns/${namespace}`, ...words], true);
  }

  /** Runs `ip` commands on the host. */
  async onHost(...args: readonly string[]): Promise<string> {
    return (await execa('ip', ['-n', HOST, ...args])).stdout;
  }

  /** Sets the host's name server. */
  nameServer(address: string): void {
    // `ip netns exec` shows it to the host's programs in place of /etc/resolv.conf (ip-netns(8)).
    writeFileSync(`/etc/netns/${HOST}/resolv.conf`, `nameserver ${address}\n`);
  }

  /** Command lines of the user's processes, by their pids. */
  processes(): ReadonlyMap<number, string> {
    const own = processesThat((pid) => uidOf(pid) === this.uid);
    // One that has ended and that nobody has asked for yet has no command line.
    return new Map(own.map((pid) => [pid, commandLineOf(pid)] as const).filter(([, line]) => line !== ''));
  }

  /** The pids of those whose command line is like that. */
  pidsOf(pattern: RegExp): readonly number[] {
    return [...this.processes()].filter(([, line]) => pattern.test(line)).map(([pid]) => pid);
  }

  /** Ends what the test has started, and says what of the user's is still there. */
  async close(): Promise<readonly string[]> {
    for (const { kill, ended } of this.#children.splice(0)) {
      kill();
      await ended;
    }
    const deadline = Date.now() + PATIENCE_MS;
    while (this.processes().size > 0 && Date.now() < deadline) await sleep(50);
    const left = [...this.processes()];
    for (const [pid] of left) process.kill(pid, 'SIGKILL');
    await removeHost();
    rmSync(this.#folder, { recursive: true, force: true });
    rmSync(`/tmp/bonami-${this.uid}`, { recursive: true, force: true });
    return left.map(([pid, line]) => `process ${pid} ${line}`);
  }

  #asUser(words: readonly string[], env: Readonly<Record<string, string>>): readonly string[] {
    const variables = {
      PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
      HOME: this.home,
      BONAMI_HOME: this.home,
      ...env,
    };
    return [
      ...['ip', 'netns', 'exec', HOST],
      ...['setpriv', `--reuid=${this.uid}`, `--regid=${this.uid}`, '--init-groups'],
      ...['env', '-i', ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)],
      ...words,
    ];
  }

  async #keep([command = '', ...args]: readonly string[], speaks = false): Promise<void> {
    const child = spawn(command, args, { stdio: ['ignore', speaks ? 'pipe' : 'ignore', 'inherit'] });
    const ended = once(child, 'exit');
    this.#children.push({ kill: () => child.kill('SIGKILL'), ended });
    await (child.stdout === null ? once(child, 'spawn') : once(child.stdout, 'data'));
  }
}

async function makeHost(): Promise<void> {
  await removeHost();
  mkdirSync(`/etc/netns/${HOST}`, { recursive: true });
  writeFileSync(`/etc/netns/${HOST}/resolv.conf`, `nameserver ${OUTSIDE_ADDRESS}\n`);
  for (const name of [HOST, OUTSIDE]) {
    await execa('ip', ['netns', 'add', name]);
    await execa('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  }
  const lines = [
    `link add out0 type veth peer name host0 netns ${OUTSIDE}`,
    `addr add ${HOST_ADDRESS}/24 dev out0`,
    `addr add ${SECOND_HOST_ADDRESS}/32 dev lo`,
    'link set out0 up',
    `route add default via ${OUTSIDE_ADDRESS}`,
  ];
  await execa('ip', ['-n', HOST, '-batch', '-'], { input: lines.join('\n') });
  await execa('ip', ['-n', OUTSIDE, 'addr', 'add', `${OUTSIDE_ADDRESS}/24`, 'dev', 'host0']);
  await execa('ip', ['-n', OUTSIDE, 'link', 'set', 'host0', 'up']);
}

async function removeHost(): Promise<void> {
  for (const name of [HOST, OUTSIDE]) await execa('ip', ['netns', 'del', name], { reject: false });
  rmSync(`/etc/netns/${HOST}`, { recursive: true, force: true });
}

function uidOf(pid: number): number | undefined {
  try {
    return Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
