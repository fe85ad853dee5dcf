// Instances as OpenSSH's client sees them: a Host block each, so that plain ssh, scp, rsync and whatever is built on
// them find an instance by its name. Names come from tags, which anybody may have written: they are checked here.
import { isId } from '../../core/ids.ts';
import { parseIpv4 } from '../../core/cidr.ts';
import { HOST_LABEL } from '../../core/private-names.ts';
import { instances, type Instance } from '../../store/instances.ts';
import { tagsOf } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { isReachableFromHost } from '../vpcs/network.ts';
import { proxyCommand } from './connect-inside.ts';
import { primaryInterface } from './ec2-instance.ts';
import { keptKey, knownHosts, sshValue } from './ssh-words.ts';

/** Under which instances are found: `web.bonami`. No such top-level domain exists. */
const DOMAIN = 'bonami';
/** useradd(8), with the dots that some systems allow. */
const USER = /^[a-z_][a-z0-9_.-]{0,31}$/i;

const HEAD = `# Written by bonami, which keeps it true while it is included; changes get lost.
# To take it away again: bonami ssh-config --remove
`;

/** The configuration for all instances that run or are about to. */
export function sshConfig(ctx: Ec2Context): string {
  const running = instances
    .list(ctx.db)
    .filter(({ state }) => state === 'running' || state === 'pending')
    .toSorted(runningAndNewestFirst);
  const named = namesOf(ctx, running);
  return [HEAD, ...running.flatMap((instance) => hostBlock(ctx, instance, named))].join('\n');
}

interface Named {
  /** The names that mean an instance. */
  readonly given: ReadonlyMap<string, readonly string[]>;
  /** What is to be said about a name that others have too. */
  readonly remarks: ReadonlyMap<string, string>;
}

/** Whose a name is: among several the first's. What cannot be a host name, or could be taken for an id, is nobody's. */
function namesOf({ db }: Ec2Context, ordered: readonly Instance[]): Named {
  const bearers = new Map<string, Instance[]>();
  const spellings = new Map<string, readonly string[]>();
  for (const instance of ordered) {
    const name = tagsOf(db, instance.instanceId)['Name'] ?? '';
    if (!HOST_LABEL.test(name) || isId('instance', name.toLowerCase())) continue;
    const key = name.toLowerCase();
    bearers.set(key, [...(bearers.get(key) ?? []), instance]);
    // ssh compares host names as they are typed.
    spellings.set(instance.instanceId, [...new Set([name, key])]);
  }
  const first = [...bearers].flatMap(([key, [chosen, ...others]]) =>
    chosen === undefined ? [] : [{ key, id: chosen.instanceId, others }],
  );
  return {
    given: new Map(first.map(({ id }) => [id, spellings.get(id) ?? []])),
    remarks: new Map(
      first
        .filter(({ others }) => others.length > 0)
        .map(({ key, id, others }) => [
          id,
          `# '${key}' is also the name of ${others.map(({ instanceId }) => instanceId).join(', ')}; this one is running or newer.`,
        ]),
    ),
  };
}

function hostBlock(ctx: Ec2Context, instance: Instance, { given, remarks }: Named): readonly string[] {
  const { instanceId, vpcId, defaultUser } = instance;
  const address = primaryInterface(ctx.db, instance)?.privateIpAddress;
  if (address === undefined || parseIpv4(address) === undefined) return [];
  const key = keptKey(ctx, instance);
  const remark = remarks.get(instanceId);
  const hosts = [...(given.get(instanceId) ?? []), instanceId].map((name) => `${name}.${DOMAIN}`);
  const settings: readonly (readonly [string, string])[] = [
    ['HostName', address],
    ...(USER.test(defaultUser) ? [['User', defaultUser] as const] : []),
    ...(key === undefined
      ? []
      : ([
          ['IdentityFile', sshValue(key)],
          ['IdentitiesOnly', 'yes'],
        ] as const)),
    ['UserKnownHostsFile', sshValue(knownHosts(ctx, instance))],
    ['HostKeyAlias', instanceId],
    ['StrictHostKeyChecking', 'accept-new'],
    // Said in any case: a ProxyJump that the user has for all hosts does not lead there.
    ['ProxyCommand', isReachableFromHost(ctx, vpcId) ? 'none' : proxyCommand(ctx, instanceId)],
  ];
  return [
    ...(remark === undefined ? [] : [remark]),
    `Host ${hosts.join(' ')}`,
    ...settings.map(([name, value]) => `  ${name} ${value}`),
    '',
  ];
}

function runningAndNewestFirst(a: Instance, b: Instance): number {
  return (
    Number(b.state === 'running') - Number(a.state === 'running') ||
    b.launchTime.localeCompare(a.launchTime) ||
    a.instanceId.localeCompare(b.instanceId)
  );
}
