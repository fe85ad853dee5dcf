// One line of ours in a configuration that is the user's own: put at its top, taken out again, and nothing else.
import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, HostError } from '../../core/errors.ts';
import { waitWithDescriptor } from '../command.ts';
import { textOf, writeWhole } from '../whole-file.ts';

const LOCK_TIMEOUT_S = 20;

/**
 * Puts a line at the top: what comes first counts (ssh_config(5)). Makes the file, and its folder, where there is
 * none. Idempotent. Throws `SshConfigNotChanged`, or `ResourceBusy` where another change takes too long.
 */
export async function putIncludeLine(path: string, line: string): Promise<void> {
  await change(path, {
    edit: (text) => (text.split('\n').includes(line) ? text : `${line}\n${text}`),
    hint: `put this line at its top yourself: ${line}`,
  });
}

/** Takes that line out; a file without any other goes. Absent is success. Throws as `putIncludeLine` does. */
export async function takeIncludeLine(path: string, line: string): Promise<void> {
  await change(path, {
    edit: (text) => {
      const lines = text.split('\n');
      return lines.includes(line) ? lines.toSpliced(lines.indexOf(line), 1).join('\n') : text;
    },
    hint: `take this line out of it yourself: ${line}`,
  });
}

interface Change {
  readonly edit: (text: string) => string;
  /** What the user can do instead. */
  readonly hint: string;
}

async function change(path: string, { edit, hint }: Change): Promise<void> {
  try {
    const now = textOf(path) ?? '';
    if (edit(now) === now) return;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    await underFolderLock(dirname(path), () => editFile(path, edit));
  } catch (cause) {
    if (cause instanceof HostError) throw cause;
    throw new HostError(
      'SshConfigNotChanged',
      `'${path}' cannot be changed (${errnoOf(cause) ?? 'no reason known'})`,
      { cause, hint },
    );
  }
}

/** Its mode stays, and where it is a link, the file behind it is changed. One that would be empty goes. */
function editFile(path: string, edit: (text: string) => string): void {
  const before = textOf(path) ?? '';
  const after = edit(before);
  if (after === before) return;
  const file = existsSync(path) ? realpathSync(path) : path;
  if (after === '' && !lstatSync(path).isSymbolicLink()) rmSync(path);
  else writeWhole(file, after, existsSync(file) ? statSync(file).mode & 0o7777 : 0o600);
}

/**
 * Other homes of the same user change the same file. Its folder itself is locked: a lock of the file's own would be
 * another file's after a rename, and one beside it would litter a folder that is the user's.
 */
async function underFolderLock(folder: string, work: () => void): Promise<void> {
  const descriptor = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const status = await waitWithDescriptor('flock', ['-w', String(LOCK_TIMEOUT_S), '-x', '3'], descriptor);
    if (status !== 0)
      throw new HostError(
        'ResourceBusy',
        `waited ${LOCK_TIMEOUT_S} s to change a file in '${folder}', but another process is still at it`,
        { hint: 'try again when it is done' },
      );
    work();
  } finally {
    closeSync(descriptor);
  }
}
