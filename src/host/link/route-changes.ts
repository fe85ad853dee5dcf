// Routes and rules of a router: what is missing or stale, as lines for `ip -batch`. Pure.
import { blockContains, familyOf, prefixOf, type Family } from '../../core/ip.ts';
import { FALLBACK_METRIC, type KernelState, type RouteState, type RuleState } from './kernel-state.ts';
import { UPLINK_NAME, type Hop, type Router } from './router.ts';

/** Rules of ours have priorities from here on: one for what comes in, one for each segment. */
const INBOUND_TABLE = 900;
const INBOUND_PRIORITY = 90;
const SEGMENT_PRIORITY = 100;
/** Never beyond the router: services of its own, and the way to the host. */
const LINK_LOCAL = '169.254.0.0/16';
/** Stands for the router at the other end of a link, in either family; nobody has it, so it is on every such link. */
export const OTHER_END = { 4: '169.254.80.1', 6: 'fe80::1' } as const;

/** Links to other routers. */
export const CROSSING = /^pcx[0-9a-f]{12}$/;

interface WantedRoute {
  readonly table: string;
  readonly destination: string;
  readonly way: string;
}

/** Routes and rules of one family that are missing or stale. */
export function routeChanges(router: Router, now: KernelState, family: Family): readonly string[] {
  const blocks = router.blocks.filter((block) => familyOf(block) === family);
  const isUsed = blocks.length > 0;
  if (!isUsed && !now.rules.some((rule) => rule.family === family && isOurs(rule))) return [];
  return [
    ...routeLines(
      isUsed ? routesOf(router, family, blocks) : [],
      now.routes.filter((route) => route.family === family && route.table !== 'local'),
    ),
    ...ruleLines(
      isUsed ? rulesOf(router) : [],
      now.rules.filter((rule) => rule.family === family && isOurs(rule)).map(ruleText),
    ),
  ];
}

function routeLines(wanted: readonly WantedRoute[], have: readonly RouteState[]): readonly string[] {
  const place = ({ table, destination }: Pick<WantedRoute, 'table' | 'destination'>): string =>
    `${table} ${destination}`;
  const remove = (route: RouteState): string =>
    `route del ${kindOf(route)}${route.destination} table ${route.table}`;
  const present = new Set(have.map((route) => `${place(route)} ${wayOf(route)}`));
  const named = new Set(wanted.map(place));
  const missing = wanted.filter((route) => !present.has(`${place(route)} ${route.way}`));
  return [
    ...have.filter((route) => !named.has(place(route))).map(remove),
    ...missing.flatMap((route) => [
      // Replacing a route by one of another type leaves both.
      ...have.filter((other) => place(other) === place(route)).map(remove),
      route.way.startsWith('via')
        ? `route add ${route.destination} ${route.way} table ${route.table}`
        : `route add ${route.way} ${route.destination} table ${route.table}`,
    ]),
  ];
}

function ruleLines(wanted: readonly string[], have: readonly string[]): readonly string[] {
  return [
    ...have.filter((text) => !wanted.includes(text)).map((text) => `rule del ${text}`),
    ...wanted.filter((text) => !have.includes(text)).map((text) => `rule add ${text}`),
  ];
}

function rulesOf({ crossings, segments }: Router): readonly string[] {
  const inputs = [UPLINK_NAME, ...crossings.map(({ link }) => link)];
  return [
    ...inputs.map((input) => ({ priority: INBOUND_PRIORITY, input, table: String(INBOUND_TABLE) })),
    ...segments.map(({ bridge, table }) => ({
      priority: SEGMENT_PRIORITY,
      input: bridge,
      table: String(table),
    })),
  ].map(ruleText);
}

function isOurs({ priority }: RuleState): boolean {
  return priority === INBOUND_PRIORITY || priority === SEGMENT_PRIORITY;
}

function ruleText({ priority, input, table }: Omit<RuleState, 'family'>): string {
  return `pref ${priority} iif ${input} lookup ${table}`;
}

function routesOf(router: Router, family: Family, blocks: readonly string[]): readonly WantedRoute[] {
  const everything = family === 6 ? '::/0' : '0.0.0.0/0';
  const own = [...blocks, ...(family === 4 ? [LINK_LOCAL] : [])];
  const inTable =
    (table: string, way: string) =>
    (destination: string): WantedRoute => ({ table, destination, way });
  return [
    ...own.map(inTable('main', 'blackhole')),
    // For what the router itself asks: names.
    ...(family === 4 ? [inTable('main', `via ${router.hostAddress} dev ${UPLINK_NAME}`)(everything)] : []),
    ...blocks.map(inTable(String(INBOUND_TABLE), 'throw')),
    inTable(String(INBOUND_TABLE), 'blackhole')(everything),
    ...router.segments.flatMap(({ table, routes }) => [
      ...own.map(inTable(String(table), 'throw')),
      ...routes
        .filter(({ destination }) => familyOf(destination) === family && !isLocal(destination, own))
        .flatMap(({ destination, hop }) => [
          inTable(String(table), wayTo(hop, router, family))(destination),
          // A route goes with its link; what it led to must not leave by a wider one.
          ...(hop.kind === 'machine' || hop.kind === 'crossing'
            ? [inTable(String(table), 'blackhole')(`${destination} metric ${FALLBACK_METRIC}`)]
            : []),
        ]),
      ...(routes.some(({ destination }) => destination === everything)
        ? []
        : [inTable(String(table), 'blackhole')(everything)]),
    ]),
  ];
}

/** What stays in the router whatever the routes say. */
function isLocal(destination: string, own: readonly string[]): boolean {
  const [network = ''] = destination.split('/');
  return (
    own.includes(destination) ||
    (blockContains(LINK_LOCAL, network) && prefixOf(destination) > prefixOf(LINK_LOCAL))
  );
}

function wayTo(hop: Hop, { hostAddress }: Router, family: Family): string {
  switch (hop.kind) {
    case 'uplink':
      return family === 4 ? `via ${hostAddress} dev ${UPLINK_NAME}` : 'blackhole';
    case 'nowhere':
      return 'blackhole';
    case 'machine':
      return `via ${hop.address} dev ${hop.bridge}`;
    case 'crossing':
      return `via ${OTHER_END[family]} dev ${hop.link} onlink`;
  }
}

function wayOf({ type, gateway, device }: RouteState): string {
  if (type !== 'unicast') return type;
  const way = gateway === undefined ? `dev ${device}` : `via ${gateway} dev ${device}`;
  return device !== undefined && CROSSING.test(device) ? `${way} onlink` : way;
}

function kindOf({ type }: RouteState): string {
  return type === 'unicast' ? '' : `${type} `;
}
