import { existsSync, statSync } from 'node:fs';
import { run, type CommandLine, type CommandResult } from '../command.ts';

/** A network namespace, as a command gets into it and as the kernel shows it. */
export interface Namespace {
  /** Words before a command that is to run inside; none for the namespace that we are in. */
  readonly enter: readonly string[];
  /** A file whose inode is the namespace's identity; it may be missing. */
  readonly file: string;
}

/** A namespace that iproute2 keeps by its name. */
export interface NamedNamespace extends Namespace {
  readonly name: string;
  /** Where it is made and taken away. */
  readonly on: Namespace;
}

/** The network that we are in ourselves. */
export const OWN_NAMESPACE: Namespace = { enter: [], file: '/proc/self/ns/net' };

/** Where iproute2 keeps named network namespaces (ip-netns(8)). */
const NAMED = '/run/netns';

/**
 * A named namespace upon another one. `root` is where the latter's files are seen from here: a namespace that was
 * made inside another mount namespace has its name there only.
 */
export function namedNamespace(name: string, on: Namespace = OWN_NAMESPACE, root = ''): NamedNamespace {
  return {
    name,
    on,
    enter: [...on.enter, 'nsenter', `--net=${NAMED}/${name}`],
    file: `${root}${NAMED}/${name}`,
  };
}

/**
 * The namespace's inode, which is its identity: the same in /proc/<pid>/ns/net of every process inside. Undefined
 * when there is none (a plain file, left by a crash, is none either).
 */
export function namespaceInode({ file }: Namespace): number | undefined {
  try {
    const { ino, dev } = statSync(file);
    return dev === statSync('/proc/self/ns/net').dev ? ino : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a process is in this very namespace, not in an older one of its name. */
export function isInside(namespace: Namespace, pid: number): boolean {
  try {
    return statSync(`/proc/${pid}/ns/net`).ino === namespaceInode(namespace);
  } catch {
    return false;
  }
}

export async function createNamespace({ name, on }: NamedNamespace): Promise<void> {
  await within(on, 'ip', ['netns', 'add', name]);
}

/** Takes a namespace and every link, route and rule in it away. Absent is success. */
export async function deleteNamespace({ name, on, file }: NamedNamespace): Promise<void> {
  // What it was made on may be gone too, and then nothing can be asked there.
  if (!existsSync(file)) return;
  const { stderr, exitCode } = await ask(on, 'ip', ['netns', 'del', name]);
  if (exitCode !== 0 && !/No such file/.test(stderr)) await within(on, 'ip', ['netns', 'del', name]);
}

/** Runs lines of `ip` commands in one process inside a namespace. */
export async function ipBatch(namespace: Namespace, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await within(namespace, 'ip', ['-batch', '-'], `${lines.join('\n')}\n`);
}

/** Sets kernel parameters of a namespace; those that this kernel does not have are passed over. */
export async function setSysctls(
  namespace: Namespace,
  settings: Readonly<Record<string, number>>,
): Promise<void> {
  const words = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  // -e: bridge-nf-call-* exist only while br_netfilter is loaded.
  if (words.length > 0) await within(namespace, 'sysctl', ['-q', '-e', '-w', ...words]);
}

/** A command as it is started from here to run in a namespace's network. */
export function commandIn({ enter }: Namespace, command: string, args: readonly string[]): CommandLine {
  const [program, ...rest] = enter;
  return program === undefined ? { command, args } : { command: program, args: [...rest, command, ...args] };
}

/** Runs a command in a namespace's network and returns what it printed. */
export async function within(
  namespace: Namespace,
  command: string,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const line = commandIn(namespace, command, args);
  return (await run(line.command, line.args, input === undefined ? {} : { input })).stdout;
}

/** The same for a command whose failure is an answer: exit codes 1 and 2. */
export async function ask(
  namespace: Namespace,
  command: string,
  args: readonly string[],
): Promise<CommandResult> {
  const line = commandIn(namespace, command, args);
  return run(line.command, line.args, { answers: [1, 2] });
}
