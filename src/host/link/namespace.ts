import { statSync } from 'node:fs';
import { run } from '../command.ts';

/** Where iproute2 keeps a named network namespace. */
export function namespacePath(name: string): string {
  return `/run/netns/${name}`;
}

/**
 * The namespace's inode, which is its identity: the same in /proc/<pid>/ns/net of every process inside. Undefined
 * when there is none of this name (a plain file, left by a crash, is none either).
 */
export function namespaceInode(name: string): number | undefined {
  try {
    const { ino, dev } = statSync(namespacePath(name));
    return dev === statSync('/proc/self/ns/net').dev ? ino : undefined;
  } catch {
    return undefined;
  }
}

export async function createNamespace(name: string): Promise<void> {
  await run('ip', ['netns', 'add', name]);
}

/** Takes a namespace and every link, route and rule in it away. Absent is success. */
export async function deleteNamespace(name: string): Promise<void> {
  const { stderr, exitCode } = await run('ip', ['netns', 'del', name], { answers: [1] });
  if (exitCode !== 0 && !/No such file/.test(stderr)) await run('ip', ['netns', 'del', name]);
}

/** Runs lines of `ip` commands in one process; inside the namespace when one is named. */
export async function ipBatch(lines: readonly string[], namespace?: string): Promise<void> {
  await within(namespace, 'ip', ['-batch', '-'], `${lines.join('\n')}\n`);
}

/** Sets kernel parameters of a namespace; `optional` ones may be unknown to this kernel. */
export async function setSysctls(
  settings: Readonly<Record<string, number>>,
  namespace: string,
): Promise<void> {
  const words = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  // -e: bridge-nf-call-* exist only while br_netfilter is loaded.
  await within(namespace, 'sysctl', ['-q', '-e', '-w', ...words]);
}

/** Runs a command in a namespace's network, or in ours. */
export async function within(
  namespace: string | undefined,
  command: string,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const [program, ...rest] =
    namespace === undefined
      ? [command, ...args]
      : ['nsenter', `--net=${namespacePath(namespace)}`, command, ...args];
  return (await run(program, rest, input === undefined ? {} : { input })).stdout;
}
