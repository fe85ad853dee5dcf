// The file that OpenSSH reads, and the one line of the user's own configuration that includes it.
import { existsSync, rmSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { putIncludeLine, takeIncludeLine } from '../../host/ssh/include-line.ts';
import { textOf, writeWhole } from '../../host/whole-file.ts';
import type { Ec2Context } from '../context.ts';
import { sshConfig } from './ssh-config.ts';
import { sshValue } from './ssh-words.ts';

/** The user's configuration as ssh finds it: by the password database, whatever $HOME says (ssh(1), "FILES"). */
export function userSshConfig(): string {
  return join(homeFolder(), '.ssh', 'config');
}

/**
 * Writes the configuration and lets the user's own one include it, by a line at its top. From then on every command
 * and the agent keep it true. Idempotent.
 */
export async function installSshConfig(ctx: Ec2Context, userConfig = userSshConfig()): Promise<void> {
  writeWhole(ctx.layout.sshConfig, sshConfig(ctx), 0o600);
  await putIncludeLine(userConfig, includeLine(ctx));
}

/** Undoes exactly what `installSshConfig` has done. Absent is success. */
export async function removeSshConfig(ctx: Ec2Context, userConfig = userSshConfig()): Promise<void> {
  await takeIncludeLine(userConfig, includeLine(ctx));
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

function homeFolder(): string {
  try {
    return userInfo().homedir;
  } catch {
    // A user id without an entry, as in some containers.
    return homedir();
  }
}
