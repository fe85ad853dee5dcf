/**
 * What may pass in a private network, in the firewall's own words. Addresses and blocks are IPv4 or IPv6 in their
 * canonical text, made by us; keys are letters, digits and underscores.
 */
export interface NetworkRuleset {
  /** Prefix of the bridges' names: traffic from machines. */
  readonly bridgePrefix: string;
  /** The network's own blocks. */
  readonly blocks: readonly string[];
  /** Whether anything may leave by the uplink but towards the host itself. */
  readonly hasWayOut: boolean;
  readonly metadataAddress: string;
  readonly segments: readonly SegmentRules[];
  readonly ports: readonly PortRules[];
  readonly groups: readonly GroupRules[];
  readonly crossings: readonly CrossingRules[];
  readonly publicAddresses: readonly PublicAddress[];
}

/** One bridge, with what may cross its border. */
export interface SegmentRules {
  readonly bridge: string;
  /** Ordered, the first match decides, no match denies; stateless. Undefined when everything may pass. */
  readonly inbound?: readonly AclEntry[];
  readonly outbound?: readonly AclEntry[];
  /** Which address its traffic leaves with, the longest block first; undefined source: the machine's own public one. */
  readonly waysOut: readonly WayOut[];
}

export interface WayOut {
  readonly destination: string;
  /** The public address of a translator that traffic passes; without one a machine uses its own, or the router's. */
  readonly source?: string;
}

export interface AclEntry {
  readonly action: 'allow' | 'deny';
  /** The other side. */
  readonly block: string;
  readonly match: TrafficMatch;
}

/** One machine's interface: which groups judge its traffic. */
export interface PortRules {
  readonly key: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly groupKeys: readonly string[];
  /** IP hops that a metadata token may travel (1 to 64). */
  readonly hopLimit: number;
}

export interface GroupRules {
  readonly key: string;
  /** Addresses of the group's members: what a rule means that names the group. */
  readonly members: readonly string[];
  readonly ingress: readonly Allow[];
  readonly egress: readonly Allow[];
}

/** One allow rule. `peer` is the other side: a block of addresses or the members of a group. */
export interface Allow {
  readonly peer: { readonly block: string } | { readonly groupKey: string };
  readonly match: TrafficMatch;
}

/** Protocols are their numbers (IANA: "Protocol Numbers"). */
export type TrafficMatch =
  | { readonly kind: 'all' }
  | { readonly kind: 'protocol'; readonly protocol: number }
  /** TCP (6) or UDP (17), by destination port. */
  | { readonly kind: 'ports'; readonly protocol: 6 | 17; readonly from: number; readonly to: number }
  /** ICMP (1) or ICMPv6 (58); no code means every code of the type. */
  | { readonly kind: 'icmp'; readonly protocol: 1 | 58; readonly type: number; readonly code?: number };

/** A link to another network. */
export interface CrossingRules {
  readonly link: string;
  /** The other network's blocks: nobody else may speak from there. */
  readonly blocks: readonly string[];
}

/** A public address that stands for a private one. */
export interface PublicAddress {
  /** As the outside knows it. */
  readonly address: string;
  /** As it arrives here: the same, unless the host translates an address of its own. */
  readonly carrier: string;
  readonly privateAddress: string;
}

/** What identifies one machine on its tap. */
export interface Guard {
  readonly tap: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  /** Blocks that it may not speak from (but its own addresses) although it forwards for others; absent when it may only speak for itself. */
  readonly forwardsExcept?: readonly string[];
  /** Bytes a second that it may send; as many as it can when absent. */
  readonly bytesPerSecond?: number;
}

/** The host's side of one uplink. */
export interface HostRuleset {
  readonly table: string;
  readonly hostLink: string;
  /** Prefix of all such links' names: ways into other networks. */
  readonly uplinkPrefix: string;
  /** The network's own blocks behind the uplink. */
  readonly blocks: readonly string[];
  readonly routerAddress: string;
  readonly hasWayOut: boolean;
  /** Public addresses behind this uplink; the host's own among them are translated here. */
  readonly publicAddresses: readonly (Omit<PublicAddress, 'privateAddress'> & {
    /** Known on this host only: outside, what comes from it has the host's own address. */
    readonly isHidden?: boolean;
  })[];
}
