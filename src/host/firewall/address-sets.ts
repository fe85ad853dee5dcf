// A group's allow rules as sets, so that a new connection costs the same whether the group has one rule or a thousand.
import { familyOf, type Family } from '../../core/ip.ts';
import { BlockTree, FAMILIES } from './block.ts';
import { chain, oneOf, rangeSet, type Part } from './nft.ts';
import { united, without, type Ports } from './ports.ts';
import type { Allow, TrafficMatch } from './ruleset.ts';
import {
  ADDRESS_TYPE,
  HEADER,
  inBlocks,
  portText,
  statement,
  trafficText,
  TRANSPORT,
  type Side,
} from './traffic.ts';

/** As many lines as are looked through in no time: no set is made for fewer. */
const FEW_LINES = 16;

/** Blocks inside of blocks with other ports can take many elements: past this, lines are the lesser evil. */
const MOST_ELEMENTS = 4096;

/** How often the lines are asked after their set: as seldom as it may be when many try in vain. */
const SELDOM = 'limit rate 100/second burst 1000 packets';

export interface AllowsToCompile {
  /** What the names of its sets begin with. */
  readonly name: string;
  readonly side: Side;
  readonly allows: readonly Allow[];
  /** Whether a group has members with addresses of a family: one without admits nobody, and has no set. */
  readonly hasMembers: (groupKey: string, family: Family) => boolean;
}

export interface CompiledAllows {
  readonly sets: readonly Part[];
  readonly chains: readonly Part[];
  /** They accept what is allowed and leave everything else to the chain that asked. */
  readonly lines: readonly string[];
}

type PortMatch = Extract<TrafficMatch, { kind: 'ports' }>;
type OtherMatch = Exclude<TrafficMatch, PortMatch>;

interface Rule<Match> {
  readonly block: string;
  readonly match: Match;
}

/** The name of the set of a group's member addresses. */
export function membersSet(groupKey: string, family: Family): string {
  return `members${family}_${groupKey}`;
}

/** The rules of one group in one direction, for both families. */
export function compileAllows({ name, side, allows, hasMembers }: AllowsToCompile): CompiledAllows {
  const parts = FAMILIES.map((family) => {
    const rules = blockRules(allows, family);
    const ports = compilePorts(`${name}${family}`, rules.filter(hasPorts), family, side);
    const members = [...matchesByGroup(allows)].flatMap(([groupKey, matches]) =>
      hasMembers(groupKey, family)
        ? memberLines(`${HEADER[family]} ${side} @${membersSet(groupKey, family)}`, matches, family)
        : [],
    );
    const others = linesByTraffic(rules.filter(hasNoPorts), family, side);
    return { ...ports, lines: [...others, ...ports.lines, ...members] };
  });
  return {
    sets: parts.flatMap(({ sets }) => sets),
    chains: parts.flatMap(({ chains }) => chains),
    lines: parts.flatMap(({ lines }) => lines),
  };
}

function compilePorts(
  name: string,
  rules: readonly Rule<PortMatch>[],
  family: Family,
  side: Side,
): CompiledAllows {
  const lines = fewestLines(rules, family, side);
  const elements = lines.length > FEW_LINES ? portElements(rules) : undefined;
  if (elements === undefined) return { sets: [], chains: [], lines };
  return {
    sets: [rangeSet(name, `${ADDRESS_TYPE[family]} . inet_proto . inet_service`, elements)],
    // The kernel fills a new set of this kind an instant after the table with it has come into force. Who calls in
    // between is judged by the lines.
    chains: [chain(name, lines)],
    lines: [
      `${HEADER[family]} ${side} . meta l4proto . th dport @${name} accept`,
      `meta l4proto { tcp, udp } ${SELDOM} jump ${name}`,
    ],
  };
}

function blockRules(allows: readonly Allow[], family: Family): readonly Rule<TrafficMatch>[] {
  return allows.flatMap(({ peer, match }) =>
    'block' in peer && familyOf(peer.block) === family ? [{ block: peer.block, match }] : [],
  );
}

function hasPorts(rule: Rule<TrafficMatch>): rule is Rule<PortMatch> {
  return rule.match.kind === 'ports';
}

function hasNoPorts(rule: Rule<TrafficMatch>): rule is Rule<OtherMatch> {
  return rule.match.kind !== 'ports';
}

/** Lines by port or by block, whichever are fewer. */
function fewestLines(rules: readonly Rule<PortMatch>[], family: Family, side: Side): readonly string[] {
  const [byTraffic, byBlock] = [linesByTraffic(rules, family, side), linesByBlock(rules, family, side)];
  return byTraffic.length <= byBlock.length ? byTraffic : byBlock;
}

/** One line for each protocol, ICMP type or port range, with all blocks that have it. */
function linesByTraffic(rules: readonly Rule<TrafficMatch>[], family: Family, side: Side): readonly string[] {
  const blocksOf = new Map<string, string[]>();
  for (const { block, match } of rules) {
    const text = trafficText(match, family);
    if (text !== undefined) appendTo(blocksOf, text, block);
  }
  return [...blocksOf].map(([text, blocks]) => statement(inBlocks(family, side, blocks), text, 'accept'));
}

function linesByBlock(rules: readonly Rule<PortMatch>[], family: Family, side: Side): readonly string[] {
  const matchesOf = new Map<string, PortMatch[]>();
  for (const { block, match } of rules) appendTo(matchesOf, block, match);
  return [...matchesOf].flatMap(([block, matches]) =>
    portTexts(matches).map((text) => statement(inBlocks(family, side, [block]), text, 'accept')),
  );
}

/** One text for each protocol, with all of its ports. */
function portTexts(matches: readonly PortMatch[]): readonly string[] {
  return ([6, 17] as const).flatMap((protocol) => {
    const ports = united(matches.filter((match) => match.protocol === protocol));
    return ports.length === 0 ? [] : [`${TRANSPORT[protocol]} dport ${oneOf(ports.map(portText))}`];
  });
}

/**
 * Elements for the port rules, undefined when they would be too many. The kernel takes no overlapping elements, so a
 * block has only those ports that no block around it has already.
 */
function portElements(rules: readonly Rule<PortMatch>[]): readonly string[] | undefined {
  const elements: string[] = [];
  for (const protocol of [6, 17] as const) {
    const asked = new BlockTree<Ports[]>();
    const blocks: string[] = [];
    for (const { block, match } of rules) {
      if (match.protocol !== protocol) continue;
      const known = asked.get(block);
      if (known === undefined) {
        asked.set(block, [match]);
        blocks.push(block);
      } else known.push(match);
    }
    for (const block of blocks) {
      const ports = without(united(asked.get(block) ?? []), united(asked.around(block).flat()));
      elements.push(...ports.map((range) => `${block} . ${TRANSPORT[protocol]} . ${portText(range)}`));
      if (elements.length > MOST_ELEMENTS) return undefined;
    }
  }
  return elements;
}

function matchesByGroup(allows: readonly Allow[]): ReadonlyMap<string, readonly TrafficMatch[]> {
  const matchesOf = new Map<string, TrafficMatch[]>();
  for (const { peer, match } of allows) if ('groupKey' in peer) appendTo(matchesOf, peer.groupKey, match);
  return matchesOf;
}

function memberLines(members: string, matches: readonly TrafficMatch[], family: Family): readonly string[] {
  const others = matches.flatMap((match) =>
    match.kind === 'ports' ? [] : (trafficText(match, family) ?? []),
  );
  const ports = portTexts(matches.filter((match) => match.kind === 'ports'));
  return [...new Set([...others, ...ports])].map((text) => statement(members, text, 'accept'));
}

function appendTo<Value>(lists: Map<string, Value[]>, key: string, value: Value): void {
  const known = lists.get(key);
  if (known === undefined) lists.set(key, [value]);
  else known.push(value);
}
