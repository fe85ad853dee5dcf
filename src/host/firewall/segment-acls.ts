// Lists at the border of a segment. Stateless: answers are judged as everything else is.
import { familyOf } from '../../core/ip.ts';
import { baseChain, chain, REFUSED, type Part } from './nft.ts';
import type { AclEntry, SegmentRules } from './ruleset.ts';
import { HEADER, statement, trafficText, type Side } from './traffic.ts';

/** The chains of all segments that have lists; none when everything may pass everywhere. */
export function aclParts(segments: readonly SegmentRules[]): readonly Part[] {
  return [
    ...direction('acl_out', 'iifname', 'oifname', 'daddr', 'filter - 3', listsOf(segments, 'outbound')),
    ...direction('acl_in', 'oifname', 'iifname', 'saddr', 'filter - 2', listsOf(segments, 'inbound')),
  ];
}

interface List {
  readonly bridge: string;
  readonly entries: readonly AclEntry[];
}

function listsOf(segments: readonly SegmentRules[], way: 'inbound' | 'outbound'): readonly List[] {
  return segments.flatMap(({ bridge, [way]: entries }) =>
    entries === undefined ? [] : [{ bridge, entries }],
  );
}

function direction(
  name: string,
  here: 'iifname' | 'oifname',
  there: 'iifname' | 'oifname',
  side: Side,
  priority: string,
  lists: readonly List[],
): readonly Part[] {
  if (lists.length === 0) return [];
  return [
    ...lists.map(({ bridge, entries }) =>
      chain(`${name}_${bridge}`, [
        // Neighbours in a segment speak through the router too, but do not cross the border.
        `${there} "${bridge}" return`,
        ...entries.flatMap((entry) => entryLine(side, entry)),
        REFUSED,
      ]),
    ),
    baseChain(
      name,
      `filter hook forward priority ${priority}`,
      lists.map(({ bridge }) => `${here} "${bridge}" jump ${name}_${bridge}`),
    ),
  ];
}

function entryLine(side: Side, { action, block, match }: AclEntry): readonly string[] {
  const family = familyOf(block);
  const text = trafficText(match, family);
  const verdict = action === 'allow' ? 'accept' : REFUSED;
  return text === undefined ? [] : [statement(`${HEADER[family]} ${side} ${block}`, text, verdict)];
}
