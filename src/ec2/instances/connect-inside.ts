// Ways to an instance that begin inside its VPC, at the router: no route of this host's and no security group is
// needed, as none is for EC2's Session Manager. They are the same for root, without root, and where this host uses the
// VPC's addresses itself.
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { Ec2Error } from '../../core/errors.ts';
import { Connector } from '../../host/link/connector.ts';
import { instances, type Instance } from '../../store/instances.ts';
import type { Ec2Context } from '../context.ts';
import { primaryInterface } from './ec2-instance.ts';
import { ACTIVE_STATES, requireState } from './instance-state.ts';

const SSH_PORT = 22;
/** How often it is asked whether the instance is still there. */
const LOOK_MS = 1_000;
/** How long a guest may take to end a connection that this side has ended. */
const LINGER_MS = 5_000;

/** Joins two streams to an instance's SSH server, as a ProxyCommand of ssh_config(5) does, until either side ends. */
export async function proxySsh(
  ctx: Ec2Context,
  instance: Instance,
  { input, output }: { readonly input: Readable; readonly output: Writable },
): Promise<void> {
  const address = privateAddress(ctx, instance);
  const connector = connectorTo(ctx, instance);
  const socket = await connector.connect({ address, port: SSH_PORT }).finally(() => connector.close());
  const giveUp = (): Socket => socket.destroy();
  ctx.signal.addEventListener('abort', giveUp, { once: true });
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  input.pipe(socket);
  socket.pipe(output);
  // SSH never ends one direction only: whoever started us is gone.
  input.once('end', () => setTimeout(giveUp, LINGER_MS).unref());
  for (const stream of [input, output]) stream.once('error', giveUp);
  // A machine that is gone ends no connection, and this one would keep its network's namespace.
  const watch = setInterval(() => {
    if (!ACTIVE_STATES.has(instances.get(ctx.db, instance.instanceId)?.state ?? 'terminated')) giveUp();
  }, LOOK_MS);
  await new Promise((resolve) => socket.once('close', resolve));
  clearInterval(watch);
  input.destroy();
}

/**
 * The command that does so, as a value of ssh_config(5): a line for the user's shell in which `%` is doubled. Home and
 * run folder are named, for whoever starts ssh may have another environment.
 */
export function proxyCommand({ layout, agentScript }: Ec2Context, instanceId: string): string {
  const program = join(dirname(agentScript), 'main.js');
  const words = [
    ...['env', `BONAMI_HOME=${layout.home}`, `XDG_RUNTIME_DIR=${dirname(layout.run)}`],
    ...[process.execPath, program, 'ssh', '--quiet', '--proxy', instanceId],
  ];
  return words.map(shellWord).join(' ').replaceAll('%', '%%');
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Makes connections from inside the instance's VPC. */
export function connectorTo(ctx: Ec2Context, { vpcId }: Instance): Connector {
  return new Connector({
    namespace: () => ctx.ground.router(vpcId),
    helper: join(dirname(ctx.agentScript), 'connect-helper.js'),
  });
}

/** The address of a running instance. */
export function privateAddress(ctx: Ec2Context, instance: Instance): string {
  requireState(instance, ['running'], 'reached');
  const address = primaryInterface(ctx.db, instance)?.privateIpAddress;
  if (address === undefined)
    throw new Ec2Error('IncorrectInstanceState', `The instance '${instance.instanceId}' has no address`);
  return address;
}
