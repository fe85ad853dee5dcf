import { familyOf, type Family } from '../../core/ip.ts';
import { UPLINK_NAME } from '../link/router.ts';
import { compileAllows, membersSet } from './address-sets.ts';
import { FAMILIES, ofFamily } from './block.ts';
import { localParts } from './local-input.ts';
import { baseChain, chain, links, map, REFUSED, set, table, type Part } from './nft.ts';
import type { GroupRules, NetworkRuleset, PortRules } from './ruleset.ts';
import { aclParts } from './segment-acls.ts';
import { ADDRESS_TYPE, HEADER, refuseOutside } from './traffic.ts';
import { translationParts } from './translation.ts';

/** The table of a router's namespace, with its family. */
export const networkTableName = 'inet bonami';

/**
 * The table of a router's namespace: who may speak with whom, with which addresses, and what machines may ask of the
 * router. A packet passes several chains of the forward hook, each with its own question, since `accept` ends only
 * the chain that says it: the segments' lists, the sender's groups, the receiver's groups.
 *
 * Maps are only short cuts here: the rule that uses one is followed by a rule for each of its entries. When a table is
 * replaced the old one's maps are empty at once, while a packet that is in the old chains goes on through them:
 * it would be lost in about one of fifty replacements of a busy network. Sets without values keep theirs.
 */
export function networkTable(rules: NetworkRuleset): string {
  return table(networkTableName, [
    ...groupParts(rules),
    ...portParts(rules.ports),
    ...borderParts(rules),
    ...aclParts(rules.segments),
    egress(rules),
    ingress(rules),
    baseChain('clamp', 'filter hook forward priority mangle', [
      // The uplink's packets are smaller than those inside.
      `oifname "${UPLINK_NAME}" tcp flags syn tcp option maxseg size set rt mtu`,
    ]),
    ...translationParts(rules),
    ...localParts(rules),
  ]);
}

/** Who may come from where at all, before anybody's rules: what makes a source address say something about its owner. */
function borderParts({ bridgePrefix, blocks, crossings }: NetworkRuleset): readonly Part[] {
  const machines = `"${bridgePrefix}*"`;
  const all = links(crossings.map(({ link }) => link));
  return [
    baseChain('borders', 'filter hook forward priority filter - 4', [
      ...(crossings.length === 0
        ? []
        : [
            // No transit: a link to another network is for the machines of the two.
            `iifname ${all} oifname != ${machines} ${REFUSED}`,
            `oifname ${all} iifname != ${machines} ${REFUSED}`,
            ...crossings.flatMap((crossing) =>
              refuseOutside(`iifname "${crossing.link}"`, 'saddr', crossing.blocks),
            ),
            ...refuseOutside(`oifname ${all}`, 'saddr', blocks),
          ]),
      // A machine that forwards for others does so inside: to the outside it would lend its uplink to forgers.
      ...refuseOutside(`oifname "${UPLINK_NAME}"`, 'saddr', blocks),
    ]),
  ];
}

/** The sender's groups. It is told by its MAC: with the guard on each tap nobody has another's. */
function egress({ bridgePrefix, ports }: NetworkRuleset): Part {
  const machines = `iifname "${bridgePrefix}*"`;
  return baseChain('egress', 'filter hook forward priority filter - 1', [
    'ct state invalid counter drop',
    'ct state established,related accept',
    `${machines} ether saddr vmap @eni_out`,
    ...ports.map(({ mac, key }) => `${machines} ether saddr ${mac} jump out_${key}`),
    `${machines} ${REFUSED}`,
  ]);
}

/** The receiver's groups. It is told by the next hop: a machine that forwards for others is judged by its own groups. */
function ingress({ ports, crossings, hasWayOut }: NetworkRuleset): Part {
  const ways = [...crossings.map(({ link }) => link), ...(hasWayOut ? [UPLINK_NAME] : [])];
  return baseChain('ingress', 'filter hook forward priority filter', [
    'ct state established,related accept',
    ...familiesOf(ports).map((family) => `rt ${HEADER[family]} nexthop vmap @eni_in${family}`),
    // The other side judges what crosses. The host itself gets answers only, unless there is a way out.
    ...(ways.length === 0 ? [] : [`oifname ${links(ways)} accept`]),
    ...ports.flatMap(({ addresses, key }) =>
      addresses.map((address) => `rt ${HEADER[familyOf(address)]} nexthop ${address} jump in_${key}`),
    ),
    REFUSED,
  ]);
}

function groupParts({ groups }: NetworkRuleset): readonly Part[] {
  const membersOf = new Map(groups.map(({ key, members }) => [key, members]));
  const hasMembers = (key: string, family: Family): boolean =>
    ofFamily(membersOf.get(key) ?? [], family).length > 0;
  const compiled = groups.map(({ key, ingress: allowedIn, egress: allowedOut }) => ({
    key,
    in: compileAllows({ name: `${key}_in`, side: 'saddr', allows: allowedIn, hasMembers }),
    out: compileAllows({ name: `${key}_out`, side: 'daddr', allows: allowedOut, hasMembers }),
  }));
  return [
    ...memberSets(groups),
    ...compiled.flatMap((each) => [...each.in.sets, ...each.out.sets]),
    ...compiled.flatMap((each) => [...each.in.chains, ...each.out.chains]),
    ...compiled.flatMap((each) => [
      chain(`${each.key}_in`, each.in.lines),
      chain(`${each.key}_out`, each.out.lines),
    ]),
  ];
}

/** Only of groups that a rule names. */
function memberSets(groups: readonly GroupRules[]): readonly Part[] {
  const allows = groups.flatMap(({ ingress: allowedIn, egress: allowedOut }) => [
    ...allowedIn,
    ...allowedOut,
  ]);
  const named = new Set(allows.flatMap(({ peer }) => ('groupKey' in peer ? [peer.groupKey] : [])));
  return groups
    .filter(({ key }) => named.has(key))
    .flatMap(({ key, members }) =>
      FAMILIES.flatMap((family) => {
        const addresses = ofFamily(members, family);
        return addresses.length === 0 ? [] : [set(membersSet(key, family), ADDRESS_TYPE[family], addresses)];
      }),
    );
}

function portParts(ports: readonly PortRules[]): readonly Part[] {
  return [
    map(
      'eni_out',
      'ether_addr : verdict',
      ports.map(({ mac, key }) => [mac, `jump out_${key}`] as const),
    ),
    ...familiesOf(ports).map((family) =>
      map(
        `eni_in${family}`,
        `${ADDRESS_TYPE[family]} : verdict`,
        ports.flatMap((port) =>
          ofFamily(port.addresses, family).map((address) => [address, `jump in_${port.key}`] as const),
        ),
      ),
    ),
    ...ports.flatMap(({ key, groupKeys }) => [
      chain(`out_${key}`, [...groupKeys.map((group) => `jump ${group}_out`), REFUSED]),
      chain(`in_${key}`, [...groupKeys.map((group) => `jump ${group}_in`), REFUSED]),
    ]),
  ];
}

function familiesOf(ports: readonly PortRules[]): readonly Family[] {
  return FAMILIES.filter((family) => ports.some(({ addresses }) => ofFamily(addresses, family).length > 0));
}
