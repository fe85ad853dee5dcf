import { type CommandLine, requireCommand } from './command.ts';

/** What a program that reads a stranger's bytes may use up, and what it gets to see. */
export interface Confinement {
  readonly cpuSeconds: number;
  /**
   * `files`: it opens files by name, and they may be another user's. `streams`: it has its standard streams and
   * nothing else; it can then write no file, and as root it is a user to whom nothing belongs.
   */
  readonly uses: 'files' | 'streams';
  /** Largest file it may write, for one that uses files. */
  readonly fileBytes?: number | undefined;
}

const ADDRESS_SPACE = 2 ** 31;
/** Next to the machines' own user ids, and none of them. */
const NOBODYS_UID = 1_899_999_999;

/**
 * The command line that runs a program on what may have been made to break it: bounded in processor time, memory and
 * file size, behind everything else in the queue, and ended with us. As root also without a network and without any
 * of root's capabilities but reading, where it uses files. Each link of the chain execs the next, so the pid is the
 * program's own. Throws `CommandNotFound`.
 */
export async function confine(
  program: string,
  args: readonly string[],
  { cpuSeconds, uses, fileBytes }: Confinement,
): Promise<CommandLine> {
  const isRoot = process.getuid?.() === 0;
  // Looked up here: from within the chain a missing program is only an exit code of another one.
  const path = await requireCommand(program);
  const largestFile = uses === 'streams' ? 0 : fileBytes;
  const chain = [
    'nice -n 10 prlimit --core=0',
    `--cpu=${cpuSeconds} --as=${ADDRESS_SPACE}`,
    ...(largestFile === undefined ? [] : [`--fsize=${largestFile}`]),
    ...(isRoot ? ['unshare --net --ipc'] : []),
    'setpriv --pdeathsig KILL --no-new-privs',
    ...(isRoot ? rootsPrivileges(uses) : []),
  ];
  const [command = '', ...rest] = chain.flatMap((link) => link.split(' '));
  return { command, args: [...rest, path, ...args] };
}

function rootsPrivileges(uses: Confinement['uses']): readonly string[] {
  if (uses === 'files') return ['--bounding-set=-all,+dac_read_search --inh-caps=-all'];
  // Without capabilities uid 0 would still own every file of root's.
  const user = `--reuid=${NOBODYS_UID} --regid=${NOBODYS_UID} --clear-groups`;
  return [user, '--bounding-set=-all --inh-caps=-all'];
}
