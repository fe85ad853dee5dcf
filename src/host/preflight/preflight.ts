// What the host has and lacks, fact by fact: found out by trying, and each ending in something to type. The same
// facts say why a test is skipped.
import { kvm, tun } from './devices.ts';
import { type Finding, guarded } from './finding.ts';
import { firewall, foreignFirewalls, forwarding, links, networkClash, taps } from './networks.ts';
import { commands, firmware, qemu } from './programs.ts';
import { disk, memory } from './resources.ts';
import { IN_OWN_NAMESPACES, pings, session, subordinateIds, userNamespaces, wayOut } from './rootless.ts';

export interface Surroundings {
  readonly home: string;
  /** The folder of sockets and locks. */
  readonly run: string;
  readonly knownFacts: string;
  /** Our own links, whose networks are no clash. */
  readonly ownLinks: readonly string[];
  readonly isRootless: boolean;
  /** For tests: another tun device. */
  readonly tunDevice?: string;
}

/** All findings about the host; independent ones are probed at once. */
export async function hostFindings(around: Surroundings): Promise<readonly Finding[]> {
  const { isRootless, tunDevice = '/dev/net/tun' } = around;
  const found = await Promise.all([
    guarded('mode', () => mode(isRootless)),
    ...(['x86_64', 'arm64', 'armhf'] as const).map((architecture) =>
      guarded(`qemu ${architecture}`, () => qemu(architecture)),
    ),
    guarded('kvm', () => kvm(around.knownFacts)),
    guarded('firmware', firmware),
    guarded('tun', () => tun(tunDevice, !isRootless)),
    guarded('commands', commands),
    ...(isRootless ? rootless(around) : root()),
    guarded('network', () => networkClash(around.ownLinks)),
    guarded('disk', () => disk(around.home)),
    guarded('memory', memory),
  ]);
  return found.flat();
}

function mode(isRootless: boolean): Finding {
  return {
    name: 'mode',
    status: 'info',
    fact: isRootless
      ? 'rootless: networks are in a user namespace; instances are reached by bonami ssh, cp and console'
      : 'root: this host reaches instances by their private addresses',
  };
}

function root(): readonly Promise<readonly Finding[]>[] {
  return [
    ...tried(['unshare', '--net']),
    guarded('firewalls', foreignFirewalls),
    guarded('forwarding', forwarding),
  ];
}

function tried(alone: readonly string[]): readonly Promise<readonly Finding[]>[] {
  return [
    guarded('links', () => links(alone)),
    guarded('taps', () => taps(alone)),
    guarded('firewall', () => firewall(alone)),
  ];
}

/** Without user namespaces there is nowhere to try the rest. */
function rootless({ run }: Surroundings): readonly Promise<readonly Finding[]>[] {
  return [
    guarded('user namespaces', async () => {
      const allowed = await userNamespaces();
      if (allowed.status !== 'ok') return allowed;
      return [allowed, ...(await Promise.all(tried(IN_OWN_NAMESPACES))).flat()];
    }),
    guarded('way out', wayOut),
    guarded('subordinate ids', () => subordinateIds()),
    guarded('ping', pings),
    guarded('session', () => session(run)),
  ];
}
