// What the kernel says of a namespace, as iproute2 prints it in JSON.
import { within, type Namespace } from './namespace.ts';

export interface KernelState {
  readonly links: ReadonlyMap<string, LinkState>;
  /** Without those that the kernel makes by itself. */
  readonly routes: readonly RouteState[];
  /** The networks that the kernel itself has routes to, for the addresses of its links: `DEVICE BLOCK`. */
  readonly connected: ReadonlySet<string>;
  /** By the family's number. */
  readonly rules: readonly RuleState[];
  readonly neighbours: readonly NeighbourState[];
}

export interface LinkState {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly isUp: boolean;
  /** Whether a machine holds it; for a tap. */
  readonly hasCarrier: boolean;
  readonly master: string | undefined;
  readonly isIsolated: boolean;
  readonly isMultiqueue: boolean;
  /** With their prefix lengths. */
  readonly addresses: readonly string[];
}

export interface RouteState {
  readonly family: 4 | 6;
  readonly table: string;
  readonly type: string;
  readonly destination: string;
  readonly gateway: string | undefined;
  readonly device: string | undefined;
}

export interface RuleState {
  readonly family: 4 | 6;
  readonly priority: number;
  readonly input: string | undefined;
  readonly table: string;
}

export interface NeighbourState {
  readonly address: string;
  /** Others come and go by themselves. */
  readonly isPermanent: boolean;
  readonly mac: string | undefined;
  readonly device: string;
}

const UNSPECIFIED = { 4: '0.0.0.0/0', 6: '::/0' } as const;

/** The metric of a route that stands behind another one to the same destination; shown as a part of the destination. */
export const FALLBACK_METRIC = 4096;

/** Looks at a namespace; `dual` looks at its IPv6 rules too. */
export async function probeKernel(
  namespace: Namespace,
  { dual }: { readonly dual: boolean },
): Promise<KernelState> {
  const ask = async (options: readonly string[], questions: readonly string[]): Promise<unknown[][]> => {
    const said = await within(
      namespace,
      'ip',
      [...options, '-j', '-d', '-batch', '-'],
      `${questions.join('\n')}\n`,
    );
    return said
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as unknown[]);
  };
  const [all, six] = await Promise.all([
    ask([], ['addr show', 'route show table all', 'rule show', 'neigh show']),
    dual ? ask(['-6'], ['rule show']) : [[]],
  ]);
  const [links = [], routes = [], rules = [], neighbours = []] = all;
  return {
    links: new Map((links as LinkEntry[]).map((each) => [each.ifname, linkState(each)])),
    routes: (routes as RouteEntry[]).filter(({ protocol }) => protocol !== 'kernel').map(routeState),
    connected: new Set(
      (routes as RouteEntry[])
        .filter(({ protocol, type }) => protocol === 'kernel' && type === 'unicast')
        .map(({ dst, dev }) => `${dev} ${dst}`),
    ),
    rules: [
      ...(rules as RuleEntry[]).map((each) => ruleState(each, 4)),
      ...((six[0] ?? []) as RuleEntry[]).map((each) => ruleState(each, 6)),
    ],
    neighbours: (neighbours as NeighbourEntry[]).map(({ dst, lladdr, dev, state }) => ({
      address: dst,
      isPermanent: state?.includes('PERMANENT') === true,
      mac: lladdr,
      device: dev,
    })),
  };
}

interface LinkEntry {
  readonly ifname: string;
  readonly address?: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly master?: string;
  readonly linkinfo?: {
    readonly info_data?: { readonly multi_queue?: boolean };
    readonly info_slave_data?: { readonly isolated?: boolean };
  };
  readonly addr_info?: readonly {
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}
interface RouteEntry {
  readonly type?: string;
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly table?: string;
  readonly protocol?: string;
  readonly metric?: number;
  /** IPv6 routes have it, IPv4 routes do not. */
  readonly pref?: string;
}
interface RuleEntry {
  readonly priority: number;
  readonly iif?: string;
  readonly table: string;
}
interface NeighbourEntry {
  readonly dst: string;
  readonly lladdr?: string;
  readonly dev: string;
  readonly state?: readonly string[];
}

function linkState(entry: LinkEntry): LinkState {
  return {
    name: entry.ifname,
    mac: entry.address ?? '',
    mtu: entry.mtu,
    isUp: entry.flags.includes('UP'),
    hasCarrier: entry.flags.includes('LOWER_UP'),
    master: entry.master,
    isIsolated: entry.linkinfo?.info_slave_data?.isolated === true,
    isMultiqueue: entry.linkinfo?.info_data?.multi_queue === true,
    addresses: (entry.addr_info ?? [])
      .filter(({ scope }) => scope !== 'link' || entry.ifname === 'lo')
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`),
  };
}

function routeState({ type, dst, gateway, dev, table, pref, metric }: RouteEntry): RouteState {
  const family = pref !== undefined || dst.includes(':') ? 6 : 4;
  const full = dst.includes('/') ? dst : `${dst}/${family === 6 ? 128 : 32}`;
  return {
    family,
    table: table ?? 'main',
    type: type ?? 'unicast',
    destination: `${dst === 'default' ? UNSPECIFIED[family] : full}${metric === FALLBACK_METRIC ? ` metric ${metric}` : ''}`,
    gateway,
    device: dev,
  };
}

function ruleState({ priority, iif, table }: RuleEntry, family: 4 | 6): RuleState {
  return { family, priority, input: iif, table };
}
