// The one door to child processes. No shell anywhere: arguments are arrays. Every command is published on a
// diagnostics channel as it starts, so that --verbose can print a line to paste and the log can keep it.
import { spawn, spawnSync, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { channel } from 'node:diagnostics_channel';
import type { Readable } from 'node:stream';
import type * as Execa from 'execa';
import { HostError } from '../core/errors.ts';
import { type FilterOptions, type StartedFilter, FilterStream } from './filter-stream.ts';

const started = channel('bonami:command');

/** Calls `listener` with each host command as a line that can be pasted into a shell. */
export function onCommand(listener: (line: string) => void): void {
  started.subscribe((message) => listener(String(message)));
}

export interface CommandOptions {
  readonly input?: string | Uint8Array;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** How it is ended when the time is over or the signal aborts; SIGTERM when not given, then SIGKILL after 5 s. */
  readonly killSignal?: 'SIGTERM' | 'SIGKILL';
  /** Exit codes that are answers rather than failures; 0 always is. */
  readonly answers?: readonly number[];
  /** Called with each line of standard error as it comes: progress of long work. */
  readonly onStderrLine?: (line: string) => void;
  /** The same for standard output; a carriage return ends a line too. */
  readonly onStdoutLine?: (line: string) => void;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** How a program ended that did not do what it should. */
export interface Failure {
  readonly exitCode: number;
  /** The name of the signal that ended it. */
  readonly signal: string | undefined;
  readonly stderr: string;
  readonly timedOut?: boolean;
}

/** Which Debian package brings a command, for the hint when it is missing. */
const DEBIAN_PACKAGES: Readonly<Record<string, string>> = {
  bridge: 'iproute2',
  bzip2: 'bzip2',
  dnsmasq: 'dnsmasq-base',
  flock: 'util-linux',
  gzip: 'gzip',
  ip: 'iproute2',
  mcopy: 'mtools',
  mformat: 'mtools',
  mmdebstrap: 'mmdebstrap',
  newuidmap: 'uidmap',
  nft: 'nftables',
  nsenter: 'util-linux',
  pasta: 'passt',
  prlimit: 'util-linux',
  'qemu-img': 'qemu-utils',
  'qemu-system-aarch64': 'qemu-system-arm',
  'qemu-system-arm': 'qemu-system-arm',
  'qemu-system-x86_64': 'qemu-system-x86',
  scp: 'openssh-client',
  setpriv: 'util-linux',
  ssh: 'openssh-client',
  'ssh-keyscan': 'openssh-client',
  'ssh-keygen': 'openssh-client',
  sysctl: 'procps',
  tc: 'iproute2',
  unshare: 'util-linux',
  xz: 'xz-utils',
  zstd: 'zstd',
};

/** The command that installs `command` on Debian and Ubuntu. */
export function installHint(command: string): string {
  return `sudo apt-get install ${DEBIAN_PACKAGES[command] ?? command}`;
}

/** Debian keeps administration tools in sbin, which is not on every user's PATH. */
const SEARCH_PATH = [
  ...new Set([...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/bin', '/bin']),
]
  .filter(Boolean)
  .join(':');

function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  // LC_ALL=C: messages are matched and shown as their programs wrote them.
  return { ...process.env, PATH: SEARCH_PATH, LC_ALL: 'C', ...extra };
}

let execaModule: Promise<typeof Execa> | undefined;

/** Not before it is needed: many commands of ours start no process. */
async function loadExeca(): Promise<typeof Execa> {
  return (execaModule ??= import('execa'));
}

/**
 * Runs a command to its end and returns what it printed.
 * Throws `CommandNotFound` (with the package to install) or `CommandFailed` (with the end of its standard error).
 */
export async function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  refuseControlCharacters(command, args);
  started.publish(pasteable(command, args));
  const { execa } = await loadExeca();
  const child = execa(command, [...args], {
    reject: false,
    env: environment(options.env),
    extendEnv: false,
    stripFinalNewline: false,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.killSignal === undefined ? {} : { killSignal: options.killSignal }),
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
  });
  if (options.onStderrLine) followLines(child.stderr, options.onStderrLine);
  if (options.onStdoutLine) followLines(child.stdout, options.onStdoutLine);
  const result = await child;
  if (result.isCanceled) options.signal?.throwIfAborted();
  if (result.code === 'ENOENT') throw notFound(command, result.cause);
  const exitCode = result.exitCode ?? -1;
  if (exitCode !== 0 && !options.answers?.includes(exitCode))
    throw failed(command, args, {
      exitCode,
      signal: result.signal,
      stderr: result.stderr,
      timedOut: result.timedOut,
    });
  return { stdout: result.stdout, stderr: result.stderr, exitCode };
}

/**
 * Runs a command that needs one of our file descriptors as its descriptor 3, and waits in place.
 * For commands that take milliseconds only.
 */
export function runWithDescriptor(command: string, args: readonly string[], descriptor: number): number {
  started.publish(pasteable(command, args));
  const result = spawnSync(command, [...args], {
    stdio: ['ignore', 'ignore', 'ignore', descriptor],
    env: environment(),
  });
  if (result.error) throw notFound(command, result.error);
  return result.status ?? -1;
}

/** Like `runWithDescriptor`, without blocking this process: for locks that may have to be waited for. */
export async function waitWithDescriptor(
  command: string,
  args: readonly string[],
  descriptor: number,
): Promise<number> {
  started.publish(pasteable(command, args));
  const child = spawn(command, [...args], {
    stdio: ['ignore', 'ignore', 'ignore', descriptor],
    env: environment(),
  });
  // Who waits for a lock runs commands under it: the loading is done while the kernel works.
  void loadExeca();
  return exitOf(child, command);
}

export interface DetachedOptions {
  /** Descriptor for standard output and standard error. */
  readonly output: number;
  /** Further descriptors, inherited as 3, 4, … */
  readonly inherit?: readonly number[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Starts a process in a session of its own that outlives this one, and returns its pid. Its umask is ours.
 * Throws `CommandNotFound` when it cannot be started; whether it lives on is for the caller to probe.
 */
export async function startDetached(
  command: string,
  args: readonly string[],
  options: DetachedOptions,
): Promise<number> {
  refuseControlCharacters(command, args);
  started.publish(pasteable(command, args));
  const child = spawn(command, [...args], {
    detached: true,
    stdio: ['ignore', options.output, options.output, ...(options.inherit ?? [])],
    env: environment(options.env),
  });
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', (cause) => reject(notFound(command, cause)));
    child.once('spawn', () => resolve(child.pid ?? 0));
  });
  child.unref();
  return pid;
}

/** Runs a command on the user's own terminal and resolves to its exit code (128 + n when signal n ended it). */
export async function runInteractive(command: string, args: readonly string[]): Promise<number> {
  started.publish(pasteable(command, args));
  const child = spawn(command, [...args], { stdio: 'inherit', env: { ...process.env, PATH: SEARCH_PATH } });
  return exitOf(child, command);
}

/** A Node program that we talk to. */
export type NodeHelper = ChildProcess;

/** Starts a Node program with an IPC channel, for a helper that hands a socket back. */
export function startNodeHelper(
  wrapper: readonly string[],
  script: string,
  args: readonly string[],
): NodeHelper {
  const [command = process.execPath, ...rest] = [...wrapper, process.execPath, script, ...args];
  started.publish(pasteable(command, rest));
  return spawn(command, rest, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: environment() });
}

/** Whether a command can be found on the search path. */
export async function commandPath(command: string): Promise<string | undefined> {
  const { access, constants } = await import('node:fs/promises');
  for (const folder of SEARCH_PATH.split(':')) {
    const path = `${folder}/${command}`;
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return undefined;
}

/** Where a command is. Throws `CommandNotFound`, with the package that has it, when it is not installed. */
export async function requireCommand(command: string): Promise<string> {
  const path = await commandPath(command);
  if (path === undefined) throw notFound(command);
  return path;
}

/** A process whose three standard streams are ours. */
export type PipedChild = ChildProcessWithoutNullStreams;

export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * Starts a program that makes one stream of another, and returns what comes out of it. Little is held beside what the
 * pipes hold: a slow reader stops the program, and the program the writer. A failing program fails the stream, after
 * the last byte that came out. Destroying the stream, or the signal, ends the program with SIGKILL; when the stream
 * is closed the program is gone. The program gets none of our environment: XZ_OPT and the like would change what it
 * does. Throws nothing; `CommandNotFound` and `CommandFailed` are errors of the stream.
 */
export function filter(
  commandLine: () => Promise<CommandLine>,
  input: Readable,
  options: FilterOptions = {},
): Readable {
  const start = async (): Promise<StartedFilter> => {
    const { command, args } = await commandLine();
    refuseControlCharacters(command, args);
    options.signal?.throwIfAborted();
    started.publish(pasteable(command, args));
    const child = spawn(command, [...args], { stdio: 'pipe', env: { PATH: SEARCH_PATH, LC_ALL: 'C' } });
    await new Promise<void>((resolve, reject) => {
      child.once('error', (cause) => reject(notFound(command, cause)));
      child.once('spawn', resolve);
    });
    return { child, asError: (failure) => failed(command, args, failure) };
  };
  return new FilterStream(start, input, options);
}

async function exitOf(child: ChildProcess, command: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => reject(notFound(command, cause)));
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === 'SIGKILL' ? 9 : signal === 'SIGINT' ? 2 : 15)),
    );
  });
}

function notFound(command: string, cause?: unknown): HostError {
  return new HostError('CommandNotFound', `'${command}' is not installed`, {
    hint: installHint(command),
    cause,
  });
}

function failed(
  command: string,
  args: readonly string[],
  { exitCode, signal, stderr, timedOut = false }: Failure,
): HostError {
  const end = timedOut
    ? 'took too long'
    : signal
      ? `was ended by ${signal}`
      : `failed with exit code ${exitCode}`;
  const lines = stderr.trim().split('\n').filter(Boolean);
  const words = [command, ...args.slice(0, 3)].join(' ');
  return new HostError(
    'CommandFailed',
    `'${words}${args.length > 3 ? ' …' : ''}' ${end}${lines.length > 0 ? `: ${lines.at(-1)}` : ''}`,
    {
      details: lines.slice(-6, -1),
    },
  );
}

/** A NUL or a line break in an argument is never meant; it is an injection on its way somewhere. */
function refuseControlCharacters(command: string, args: readonly string[]): void {
  const culprit = args.find((argument) => /[\0\n\r]/.test(argument));
  if (culprit !== undefined)
    throw new HostError(
      'InvalidArgument',
      `an argument of '${command}' contains a line break or NUL: ${JSON.stringify(culprit)}`,
    );
}

function followLines(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => {
    const lines = (rest + chunk).split(/[\r\n]+/);
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') onLine(line);
  });
  stream?.on('end', () => rest !== '' && onLine(rest));
}

/** A command as a line for a shell. */
export function pasteable(command: string, args: readonly string[]): string {
  return [command, ...args]
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}
