// Ways into an instance for a person: SSH, file copy, serial console, console log.
import { Ec2Error, UsageError } from '../../core/errors.ts';
import { run, runInteractive, type CommandResult } from '../../host/command.ts';
import type { Endpoint } from '../../host/link/tcp-probe.ts';
import { attachSerial, type Terminal } from '../../host/serial/attach.ts';
import { plainText, readFrom } from '../../host/serial/console-log.ts';
import { waitUntil } from '../../host/wait-until.ts';
import { instances, type Instance } from '../../store/instances.ts';
import type { Ec2Context } from '../context.ts';
import { isReachableFromHost } from '../vpcs/network.ts';
import { proxyCommand } from './connect-inside.ts';
import { primaryInterface } from './ec2-instance.ts';
import { isHostLetIn, requireHostLetIn } from './host-access.ts';
import { ACTIVE_STATES, requireState } from './instance-state.ts';
import { resolveInstance } from './resolve-instance.ts';
import { keptKey, knownHosts, sshValue } from './ssh-words.ts';

const SSH_PORT = 22;

/**
 * Where an instance's SSH server is for our own looks at it: from inside its VPC where this host has no route to it,
 * or where its security groups keep this host out.
 */
export async function sshEndpoint(ctx: Ec2Context, instance: Instance): Promise<Endpoint> {
  const endpoint = { address: addressOf(ctx, instance), port: SSH_PORT };
  return isReachableFromHost(ctx, instance.vpcId) && isHostLetIn(ctx.db, instance, SSH_PORT)
    ? endpoint
    : { ...endpoint, namespace: ctx.ground.router(instance.vpcId) };
}

export interface ShellOptions {
  readonly user?: string | undefined;
  readonly identityFile?: string | undefined;
  /** Connect from inside the VPC, past the security groups. */
  readonly inside?: boolean | undefined;
}

interface SshCommand {
  /** Options for ssh and scp alike. */
  readonly options: readonly string[];
  readonly target: string;
}

/**
 * The ssh call for an instance. The host key is kept per instance: addresses are reused, and within a VPC nobody
 * can take another's address, so the first key seen is the instance's own. ssh itself always runs here, as this
 * user and in this folder; into a VPC without a route its connection goes by a proxy command.
 */
function sshCommand(ctx: Ec2Context, instance: Instance, options: ShellOptions): SshCommand {
  requireState(instance, ['running'], 'reached');
  const key = options.identityFile ?? keptKey(ctx, instance);
  const isDirect = options.inside !== true && isReachableFromHost(ctx, instance.vpcId);
  const settings = {
    UserKnownHostsFile: sshValue(knownHosts(ctx, instance)),
    StrictHostKeyChecking: 'accept-new',
    HostKeyAlias: instance.instanceId,
    LogLevel: 'ERROR',
    ConnectTimeout: 10,
    ServerAliveInterval: 15,
    ...(isDirect ? {} : { ProxyCommand: proxyCommand(ctx, instance.instanceId) }),
  };
  return {
    options: [
      '-F',
      '/dev/null',
      ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
      ...(key === undefined ? [] : ['-i', key, '-o', 'IdentitiesOnly=yes']),
    ],
    target: `${options.user ?? instance.defaultUser}@${addressOf(ctx, instance)}`,
  };
}

/** The same, where a person waits: what cannot come about is said at once. */
function requireSshCommand(ctx: Ec2Context, instance: Instance, options: ShellOptions): SshCommand {
  const command = sshCommand(ctx, instance, options);
  if (options.inside !== true && isReachableFromHost(ctx, instance.vpcId))
    requireHostLetIn(ctx.db, instance, SSH_PORT);
  return command;
}

function addressOf(ctx: Ec2Context, instance: Instance): string {
  const address = primaryInterface(ctx.db, instance)?.privateIpAddress;
  if (address === undefined)
    throw new Ec2Error('IncorrectInstanceState', `The instance '${instance.instanceId}' has no address`);
  return address;
}

/**
 * Opens a shell, or runs one command, on the user's terminal; resolves to its exit code (255 is ssh's own). Throws
 * `ConnectionNotAllowed` where security groups keep this host out.
 */
export async function openShell(
  ctx: Ec2Context,
  instance: Instance,
  words: readonly string[],
  options: ShellOptions = {},
): Promise<number> {
  const ssh = requireSshCommand(ctx, instance, options);
  return runInteractive('ssh', [
    ...ssh.options,
    ...(words.length === 0 ? ['-t'] : []),
    ssh.target,
    '--',
    ...words,
  ]);
}

/** Runs a command in an instance and returns what it printed; its exit code is an answer. Security groups do not matter. */
export async function runInInstance(
  ctx: Ec2Context,
  instance: Instance,
  words: readonly string[],
  { timeoutMs }: { timeoutMs: number },
): Promise<CommandResult> {
  const ssh = sshCommand(ctx, instance, { inside: !isHostLetIn(ctx.db, instance, SSH_PORT) });
  const anyExit = Array.from({ length: 255 }, (_, code) => code + 1);
  return run('ssh', [...ssh.options, '-o', 'BatchMode=yes', ssh.target, '--', ...words], {
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
  const scp = requireSshCommand(ctx, resolveInstance(ctx.db, remote), options);
  const words = sides.map(({ side, at }) =>
    at === undefined ? side : `${scp.target}:${side.slice(at.length)}`,
  );
  return runInteractive('scp', [...scp.options, '-r', '--', ...words]);
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
