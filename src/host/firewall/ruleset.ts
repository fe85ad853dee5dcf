/** What may pass in a private network, in the firewall's own words. Addresses are IPv4 in dotted form. */
export interface NetworkRuleset {
  /** Prefix of the bridges' names: traffic from machines. */
  readonly bridgePrefix: string;
  readonly cidr: string;
  /** Whether traffic may leave by the uplink. */
  readonly hasWayOut: boolean;
  readonly metadataAddress: string;
  readonly ports: readonly PortRules[];
  readonly groups: readonly GroupRules[];
}

/** One machine's interface: which groups judge its traffic. */
export interface PortRules {
  readonly key: string;
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
  readonly peer: { readonly cidr: string } | { readonly groupKey: string };
  readonly match: TrafficMatch;
}

export type TrafficMatch =
  | { readonly protocol: 'all' }
  | { readonly protocol: 'tcp' | 'udp'; readonly from: number; readonly to: number }
  | { readonly protocol: 'icmp'; readonly type: number | undefined; readonly code: number | undefined };

/** What identifies one machine on its tap. */
export interface Guard {
  readonly tap: string;
  readonly mac: string;
  readonly addresses: readonly string[];
}

/** The host's side of one uplink. */
export interface HostRuleset {
  readonly table: string;
  readonly hostLink: string;
  /** Prefix of all such links' names: ways into other networks. */
  readonly uplinkPrefix: string;
  /** The network behind the uplink. */
  readonly cidr: string;
  readonly routerAddress: string;
  readonly hasWayOut: boolean;
}
