// Programs that pass the traffic of a network namespace to the outside by ordinary sockets of the user who runs them.
// Both do. slirp4netns(1) comes first: with the pasta(1) of Debian 12 (2023) uploads of machines are reset and a
// half-closed connection gets its data again and again, with that of Debian 13 (2025) uploads crawl.
import { HostError } from '../../core/errors.ts';
import { commandPath, installHint } from '../command.ts';

export const PASSERS = ['slirp4netns', 'pasta'] as const;
export type Passer = (typeof PASSERS)[number];

/** The link that it makes. */
const LINK = 'up0';
/** Its own network where it has one, in the block for benchmarks (RFC 2544), which nobody routes. */
const NETWORK = '198.18.0.0/24';
/** Where queries for names go that only the host itself can ask; the third address, as slirp4netns has it. */
export const NAME_FORWARDER = '198.18.0.3';

export interface Passage {
  /** The process whose network namespace it is; it runs in a user namespace of its own. */
  readonly pid: number;
  /** Whether names have to be forwarded. */
  readonly forwardsNames: boolean;
}

/** The command line that passes the traffic of a process's network. Nothing gets in by it, and nothing to the host. Pure. */
export function passerLine(passer: Passer, passage: Passage): readonly string[] {
  const { pid, forwardsNames } = passage;
  const network = networkOf(passage);
  if (passer === 'slirp4netns')
    return [
      // In the user namespace it can shut itself off from the host's files.
      ...['nsenter', '--preserve-credentials', '--user', '--target', String(pid)],
      ...['slirp4netns', '--configure', '--mtu=65520', `--cidr=${NETWORK}`],
      ...['--disable-host-loopback', '--enable-sandbox', '--enable-seccomp'],
      ...['--netns-type=path', network, LINK],
    ];
  return [
    ...['pasta', '--foreground', '--config-net', '--netns', network, '--userns', `/proc/${pid}/ns/user`],
    ...['--ns-ifname', LINK],
    // All four: the default passes on every port that is listened on, in both directions.
    ...['--tcp-ports', 'none', '--udp-ports', 'none', '--tcp-ns', 'none', '--udp-ns', 'none'],
    // Otherwise the gateway's address would be the host's own loopback.
    '--no-map-gw',
    ...(forwardsNames ? ['--dns-forward', NAME_FORWARDER] : []),
  ];
}

/** The word of its command line that no other's has. */
export function networkOf({ pid }: Passage): string {
  return `/proc/${pid}/ns/net`;
}

/**
 * The one that is asked for in BONAMI_UPLINK, or else the first that is installed. Throws `CommandNotFound`, or
 * `InvalidSetting` where nothing of that name is known.
 */
export async function choosePasser(): Promise<Passer> {
  const wanted = wantedPasser();
  for (const passer of wanted === undefined ? PASSERS : [wanted])
    if ((await commandPath(passer)) !== undefined) return passer;
  throw new HostError(
    'CommandNotFound',
    `an ordinary user’s instances reach the outside by ${wanted ?? PASSERS.join(' or ')}, which is not installed`,
    { hint: installHint(wanted ?? PASSERS[0]) },
  );
}

/** Undefined where nothing is said. */
export function wantedPasser(setting = process.env['BONAMI_UPLINK']): Passer | undefined {
  if (setting === undefined || setting === '') return undefined;
  const wanted = PASSERS.find((passer) => passer === setting);
  if (wanted !== undefined) return wanted;
  throw new HostError('InvalidSetting', `BONAMI_UPLINK is '${setting}', which is no way out that is known`, {
    hint: PASSERS.map((passer) => `BONAMI_UPLINK=${passer}`).join(' or '),
  });
}
