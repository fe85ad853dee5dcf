// The host's own side of an uplink.
import { ofFamily } from './block.ts';
import { baseChain, oneOf, table, type Part } from './nft.ts';
import type { HostRuleset } from './ruleset.ts';
import { eachFamily } from './traffic.ts';

/** Stands for who comes from another network without a public address; it is nobody's (RFC 7600, "dummy address"). */
const STRANGER = '192.0.0.8';

/** The host's table for one uplink, with its family. */
export function hostTableName({ table: name }: Pick<HostRuleset, 'table'>): string {
  return `inet ${name}`;
}

/** The host's own table for one uplink: addresses outside, nothing on the host itself, other networks by public addresses only. */
export function hostTable(rules: HostRuleset): string {
  return table(hostTableName(rules), [toHost(rules), throughHost(rules), ...translation(rules)]);
}

function toHost({ hostLink, blocks }: HostRuleset): Part {
  const link = `iifname "${hostLink}"`;
  return baseChain('guests_to_host', 'filter hook input priority filter', [
    `${link} ct state established,related accept`,
    ...(ofFamily(blocks, 6).length > 0
      ? [`${link} icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept`]
      : []),
    `${link} counter drop`,
  ]);
}

/**
 * By way of the host a machine is reached at its public addresses only, whoever knows a route to this host; the host
 * itself does not pass here. Security groups know a machine and this host by their addresses, so nobody may pass for
 * them: neither machines of another network nor a forger outside. Only what comes to this uplink is judged: a drop in any
 * table holds, so what leaves it is for the others to judge.
 */
function throughHost({ hostLink, uplinkPrefix, blocks, publicAddresses }: HostRuleset): Part {
  const here = `oifname "${hostLink}"`;
  const carriers = publicAddresses.map(({ carrier }) => carrier);
  return baseChain('through_host', 'filter hook forward priority filter', [
    ...eachFamily('saddr', blocks, (addresses) => `${here} ${addresses} counter drop`),
    `${here} ct state established,related accept`,
    ...(carriers.length === 0
      ? []
      : [
          // What has a router's own address is translated below.
          `${here} iifname "${uplinkPrefix}*" ip daddr ${oneOf(carriers)} accept`,
          `${here} ip saddr 169.254.0.0/16 counter drop`,
          `${here} ip daddr ${oneOf(carriers)} accept`,
        ]),
    `${here} counter drop`,
  ]);
}

function translation({
  hostLink,
  uplinkPrefix,
  routerAddress,
  hasWayOut,
  publicAddresses,
}: HostRuleset): readonly Part[] {
  const own = publicAddresses.filter(({ address, carrier }) => address !== carrier);
  // Reached from this host only, so nobody outside would find the way back to one.
  const hidden = publicAddresses.flatMap(({ carrier, isHidden }) => (isHidden === true ? [carrier] : []));
  const outside = `oifname != "${uplinkPrefix}*"`;
  const arriving = own.map(({ address, carrier }) => `ip daddr ${address} dnat ip to ${carrier}`);
  return [
    ...(own.length === 0
      ? []
      : [
          baseChain('nat_in', 'nat hook prerouting priority dstnat', arriving),
          // nft 1.0.6 does not know `dstnat` here.
          baseChain('nat_local', 'nat hook output priority -100', arriving),
        ]),
    baseChain('nat_out', 'nat hook postrouting priority srcnat', [
      ...own.map(({ address, carrier }) => `${outside} ip saddr ${carrier} snat ip to ${address}`),
      ...(hasWayOut
        ? [
            `${outside} ip saddr ${oneOf([routerAddress, ...hidden])} masquerade`,
            `${outside} iifname "${hostLink}" meta nfproto ipv6 masquerade`,
          ]
        : []),
      // Another router's own address says "the host" to security groups, as all of its range does.
      ...(publicAddresses.length === 0
        ? []
        : [
            `iifname "${uplinkPrefix}*" oifname "${hostLink}" ip saddr 169.254.0.0/16 snat ip to ${STRANGER}`,
          ]),
    ]),
  ];
}
