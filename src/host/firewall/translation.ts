// Which addresses traffic has outside of the network.
import { familyOf } from '../../core/ip.ts';
import { UPLINK_NAME } from '../link/router.ts';
import { ofFamily } from './block.ts';
import { baseChain, chain, oneOf, type Part } from './nft.ts';
import type { NetworkRuleset, SegmentRules } from './ruleset.ts';
import { eachFamily, HEADER, inBlocks } from './traffic.ts';

const UPLINK = `oifname "${UPLINK_NAME}"`;

/** The chains that translate addresses. Without maps, since a packet that misses its entry would get a wrong address. */
export function translationParts({ blocks, segments, publicAddresses }: NetworkRuleset): readonly Part[] {
  const translated = segments.filter(({ waysOut }) => waysOut.some(({ source }) => source !== undefined));
  const inside = inBlocks(4, 'daddr', ofFamily(blocks, 4));
  return [
    ...(publicAddresses.length === 0
      ? []
      : [
          baseChain(
            'nat_in',
            'nat hook prerouting priority dstnat',
            publicAddresses.map(
              ({ address, carrier, privateAddress }) =>
                `ip daddr ${oneOf([...new Set([address, carrier])])} dnat ip to ${privateAddress}`,
            ),
          ),
        ]),
    ...translated.map(waysOutChain),
    baseChain('nat_out', 'nat hook postrouting priority srcnat', [
      // Who calls a neighbour by its public address is seen with its own, and the answer finds the way back.
      ...publicAddresses.map(
        ({ carrier, privateAddress }) =>
          `ct status dnat ip saddr ${privateAddress} ${inside} snat ip to ${carrier}`,
      ),
      ...translated.map(({ bridge }) => `${UPLINK} iifname "${bridge}" jump ${chainOf(bridge)}`),
      ...publicAddresses.map(
        ({ carrier, privateAddress }) => `${UPLINK} ip saddr ${privateAddress} snat ip to ${carrier}`,
      ),
      // Behind the uplink's own address: the host may have another network with the same addresses.
      ...eachFamily('saddr', blocks, (addresses) => `${UPLINK} ${addresses} masquerade`),
    ]),
  ];
}

/** The first way that leads to the destination decides; one without a translator leaves it to the machine's own. */
function waysOutChain({ bridge, waysOut }: SegmentRules): Part {
  return chain(
    chainOf(bridge),
    waysOut.flatMap(({ destination, source }) => {
      const family = familyOf(destination);
      const header = HEADER[family];
      if (source === undefined) return [`${header} daddr ${destination} return`];
      return familyOf(source) === family
        ? [`${header} daddr ${destination} snat ${header} to ${source}`]
        : [];
    }),
  );
}

function chainOf(bridge: string): string {
  return `ways_${bridge}`;
}
