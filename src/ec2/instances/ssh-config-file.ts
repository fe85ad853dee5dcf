// The file that OpenSSH reads, and the one line of the user's own configuration that includes it.
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { errnoOf, HostError } from '../../core/errors.ts';
import type { Ec2Context } from '../context.ts';
import { sshConfig } from './ssh-config.ts';
import { sshValue } from './ssh-words.ts';

/** The user's configuration as ssh finds it: by the password database, whatever $HOME says (ssh(1), "FILES"). */
export function userSshConfig(): string {
  return join(homeFolder(), '.ssh', 'config');
}

/**
 * Writes the configuration and lets the user's own one include it, by a line at its top: what comes first counts
 * (ssh_config(5)). From then on every command and the agent keep it true. Idempotent.
 */
export function installSshConfig(ctx: Ec2Context, userConfig = userSshConfig()): void {
  writeWhole(ctx.layout.sshConfig, sshConfig(ctx), 0o600);
  const line = includeLine(ctx);
  editUserConfig(userConfig, `put this line at its top yourself: ${line}`, (text) =>
    text.split('\n').includes(line) ? text : `${line}\n${text}`,
  );
}

/** Undoes exactly what `installSshConfig` has done. Absent is success. */
export function removeSshConfig(ctx: Ec2Context, userConfig = userSshConfig()): void {
  const line = includeLine(ctx);
  editUserConfig(userConfig, `take this line out of it yourself: ${line}`, (text) => {
    const lines = text.split('\n');
    return lines.includes(line) ? lines.toSpliced(lines.indexOf(line), 1).join('\n') : text;
  });
  rmSync(ctx.layout.sshConfig, { force: true });
}

/** Writes an installed configuration anew where it is no longer true. Cheap when none is installed. */
export function refreshSshConfig(ctx: Ec2Context): void {
  const path = ctx.layout.sshConfig;
  if (!existsSync(path)) return;
  const text = sshConfig(ctx);
  if (textOf(path) !== text) writeWhole(path, text, 0o600);
}

function includeLine({ layout }: Ec2Context): string {
  return `Include ${sshValue(layout.sshConfig)}`;
}

/** Its mode stays, and where it is a link, the file behind it is changed. One that would be empty goes. */
function editUserConfig(path: string, hint: string, edit: (text: string) => string): void {
  try {
    const before = textOf(path) ?? '';
    const after = edit(before);
    if (after === before) return;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = existsSync(path) ? realpathSync(path) : path;
    if (after === '' && !lstatSync(path).isSymbolicLink()) rmSync(path);
    else writeWhole(file, after, existsSync(file) ? statSync(file).mode & 0o7777 : 0o600);
  } catch (cause) {
    throw new HostError(
      'SshConfigNotChanged',
      `'${path}' cannot be changed (${errnoOf(cause) ?? 'no reason known'})`,
      { cause, hint },
    );
  }
}

/** Whole or not at all: ssh may read it at any moment. */
function writeWhole(path: string, text: string, mode: number): void {
  const incoming = `${path}.${process.pid}.new`;
  try {
    writeFileSync(incoming, text, { mode: 0o600 });
    chmodSync(incoming, mode);
    renameSync(incoming, path);
  } finally {
    rmSync(incoming, { force: true });
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function homeFolder(): string {
  try {
    return userInfo().homedir;
  } catch {
    // A user id without an entry, as in some containers.
    return homedir();
  }
}
