// Ways into an instance for a person: SSH, file copy, serial console, console log.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Ec2Error, UsageError } from '../../core/errors.ts';
import { run, runInteractive, type CommandResult } from '../../host/command.ts';
import type { Endpoint } from '../../host/link/tcp-probe.ts';
import { attachSerial, type Terminal } from '../../host/serial/attach.ts';
import { plainText, readFrom } from '../../host/serial/console-log.ts';
import { waitUntil } from '../../host/wait-until.ts';
import { instances, type Instance } from '../../store/instances.ts';
import { keyPairs } from '../../store/key-pairs.ts';
import type { Ec2Context } from '../context.ts';
import { isReachableFromHost } from '../vpcs/network.ts';
import { primaryInterface } from './ec2-instance.ts';
import { ACTIVE_STATES, requireState } from './instance-state.ts';
import { resolveInstance } from './resolve-instance.ts';

/** Where an instance's SSH server is, seen from this host. */
export async function sshEndpoint(ctx: Ec2Context, instance: Instance): Promise<Endpoint> {
  const address = primaryInterface(ctx.db, instance)?.privateIpAddress;
  if (address === undefined)
    throw new Ec2Error('IncorrectInstanceState', `The instance '${instance.instanceId}' has no address`);
  const direct = isReachableFromHost(ctx, instance.vpcId);
  return { address, port: 22, ...(direct ? {} : { namespace: ctx.ground.router(instance.vpcId) }) };
}

export interface ShellOptions {
  readonly user?: string | undefined;
  readonly identityFile?: string | undefined;
}

interface SshCommand {
  readonly command: string;
  /** Options for ssh and scp alike. */
  readonly options: readonly string[];
  readonly target: string;
}

/**
 * The ssh call for an instance. The host key is kept per instance: addresses are reused, and within a VPC nobody
 * can take another's address, so the first key seen is the instance's own.
 */
async function sshCommand(
  ctx: Ec2Context,
  instance: Instance,
  program: 'ssh' | 'scp',
  { user, identityFile }: ShellOptions,
): Promise<SshCommand> {
  requireState(instance, ['running'], 'reached');
  const { address, namespace } = await sshEndpoint(ctx, instance);
  const key = identityFile ?? keptKey(ctx, instance);
  const [command = program, ...rest] = [...(namespace?.enter ?? []), program];
  const settings = {
    UserKnownHostsFile: join(ctx.layout.instance(instance.instanceId).folder, 'known_hosts'),
    StrictHostKeyChecking: 'accept-new',
    HostKeyAlias: instance.instanceId,
    LogLevel: 'ERROR',
    ConnectTimeout: 10,
    ServerAliveInterval: 15,
  };
  return {
    command,
    options: [
      ...rest,
      '-F',
      '/dev/null',
      ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
      ...(key === undefined ? [] : ['-i', key, '-o', 'IdentitiesOnly=yes']),
    ],
    target: `${user ?? instance.defaultUser}@${address}`,
  };
}

function keptKey(ctx: Ec2Context, { keyName }: Instance): string | undefined {
  const [pair] = keyName === null ? [] : keyPairs.listBy(ctx.db, 'name', keyName);
  const path = pair ? ctx.layout.keyPair(pair.keyPairId).privateKey : undefined;
  return path !== undefined && existsSync(path) ? path : undefined;
}

/** Opens a shell, or runs one command, on the user's terminal; resolves to its exit code (255 is ssh's own). */
export async function openShell(
  ctx: Ec2Context,
  instance: Instance,
  words: readonly string[],
  options: ShellOptions = {},
): Promise<number> {
  const ssh = await sshCommand(ctx, instance, 'ssh', options);
  return runInteractive(ssh.command, [
    ...ssh.options,
    ...(words.length === 0 ? ['-t'] : []),
    ssh.target,
    '--',
    ...words,
  ]);
}

/** Runs a command in an instance and returns what it printed; its exit code is an answer. */
export async function runInInstance(
  ctx: Ec2Context,
  instance: Instance,
  words: readonly string[],
  { timeoutMs }: { timeoutMs: number },
): Promise<CommandResult> {
  const ssh = await sshCommand(ctx, instance, 'ssh', {});
  const anyExit = Array.from({ length: 255 }, (_, code) => code + 1);
  return run(ssh.command, [...ssh.options, '-o', 'BatchMode=yes', ssh.target, '--', ...words], {
    timeoutMs,
    signal: ctx.signal,
    answers: anyExit,
  });
}

/** Copies files between this host and instances, by scp: exactly one side is `INSTANCE:PATH`. Resolves to scp's exit code. */
export async function copyFiles(
  ctx: Ec2Context,
  sources: readonly string[],
  target: string,
  options: ShellOptions = {},
): Promise<number> {
  const sides = [...sources, target].map((side) => ({ side, at: /^[^/:]+:/.exec(side)?.[0] }));
  const remotes = new Set(sides.flatMap(({ at }) => (at === undefined ? [] : [at.slice(0, -1)])));
  const [remote, ...others] = remotes;
  if (remote === undefined)
    throw new UsageError('one side of a copy must be an instance', { hint: 'bonami cp FILE NAME:/tmp/' });
  if (others.length > 0)
    throw new UsageError('a copy can name only one instance', { hint: 'copy to this host first' });
  const instance = resolveInstance(ctx.db, remote);
  const scp = await sshCommand(ctx, instance, 'scp', options);
  const words = sides.map(({ side, at }) =>
    at === undefined ? side : `${scp.target}:${side.slice(at.length)}`,
  );
  return runInteractive(scp.command, [...scp.options, '-r', '--', ...words]);
}

/** Joins the terminal to the serial console, after what was printed last. Resolves to why it ended. */
export async function attachConsole(
  ctx: Ec2Context,
  instance: Instance,
  terminal: Terminal,
): Promise<'detached' | 'ended'> {
  requireState(instance, ['running'], 'attached to');
  const paths = ctx.layout.instance(instance.instanceId);
  terminal.output.write(readFrom(paths.console, 0).subarray(-2000));
  return attachSerial(paths.serial, terminal);
}

/** The console log so far as plain text, then, with `follow`, what comes until the instance ends. */
export async function* consoleLog(
  ctx: Ec2Context,
  instance: Instance,
  { follow }: { follow: boolean },
): AsyncGenerator<string> {
  const path = ctx.layout.instance(instance.instanceId).console;
  let offset = 0;
  for (;;) {
    // Whether it still runs is asked before the last read: what it prints while it ends is not lost.
    const active = ACTIVE_STATES.has(instances.get(ctx.db, instance.instanceId)?.state ?? 'terminated');
    const bytes = readFrom(path, offset);
    offset += bytes.length;
    if (bytes.length > 0) yield plainText(bytes);
    if (!follow || !active) return;
    await waitUntil(() => (readFrom(path, offset).length > 0 ? true : undefined), {
      timeoutMs: 1_000,
      signal: ctx.signal,
      pauseMs: 100,
    });
  }
}
