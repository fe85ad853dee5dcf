// Rulesets and packets from a small world, so that most packets meet some rule, and many at its edge.
import type {
  AclEntry,
  Allow,
  CrossingRules,
  GroupRules,
  NetworkRuleset,
  PortRules,
  SegmentRules,
  TrafficMatch,
} from '../../../../src/host/firewall/ruleset.ts';
import { generator } from '../../../support/random.ts';
import type { Packet } from './packet.ts';

/** Blocks that lie in each other, touch each other and have nothing to do with each other. */
const BLOCKS = [
  ...['0.0.0.0/0', '10.0.0.0/8', '10.0.0.0/16', '10.0.0.0/24', '10.0.1.0/24', '10.0.0.4/32', '10.0.0.4/30'],
  ...['10.0.0.0/9', '10.128.0.0/9', '10.1.0.0/16', '192.0.2.0/24', '203.0.113.7/32', '128.0.0.0/1'],
  ...['::/0', 'fd00::/8', 'fd00:1::/56', 'fd00:1::/64', 'fd00:1:0:1::/64', 'fd00:1::4/128', 'fd00:2::/56'],
  ...['2000::/3', '2001:db8::/32'],
];
const EDGES = [0, 1, 21, 22, 23, 79, 80, 443, 1023, 1024, 1025, 65_534, 65_535];
const OUTSIDE = ['192.0.2.1', '203.0.113.7', '203.0.113.8', '9.255.255.255', '2001:db8::1', '2001:db9::1'];

export class RandomRulesets {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = generator(seed);
  }

  ruleset(): NetworkRuleset {
    const groupKeys = this.#some(0, 4, (index) => `sg_${index}`);
    const ports = this.#some(1, 6, (index) => this.#port(index, groupKeys));
    return {
      bridgePrefix: 'snt',
      blocks: ['10.0.0.0/16', 'fd00:1::/56'],
      hasWayOut: this.#chance(0.7),
      metadataAddress: '169.254.169.254',
      segments: [0, 1].map((index) => this.#segment(index)),
      ports,
      groups: groupKeys.map((key) => this.#group(key, groupKeys, ports)),
      crossings: this.#some(0, 2, crossing),
      publicAddresses: ports.slice(0, this.#upTo(2)).map(({ addresses: [first = ''] }, index) => ({
        address: `203.0.113.${index}`,
        carrier: this.#chance(0.5) ? `203.0.113.${index}` : `100.64.0.${index}`,
        privateAddress: first,
      })),
    };
  }

  packet(rules: NetworkRuleset): Packet {
    const [from, to] = [this.#place(rules), this.#place(rules)];
    const sameFamily = to.addresses.filter((each) => each.includes(':') === from.address.includes(':'));
    const destination = sameFamily.length > 0 ? this.#oneOf(sameFamily) : to.address;
    const source =
      destination.includes(':') === from.address.includes(':')
        ? from.address
        : destination.includes(':')
          ? 'fd00:1::99'
          : '10.0.0.99';
    const protocol = this.#oneOf([6, 6, 6, 17, 17, 1, 58, 47]);
    return {
      from: from.link,
      to: to.link,
      mac: from.mac,
      source,
      destination,
      nextHop: to.machine ? destination : destination.includes(':') ? 'fe80::1' : '169.254.96.1',
      protocol,
      ...(protocol === 6 || protocol === 17 ? { port: this.#number() } : {}),
      ...(protocol === 1 || protocol === 58
        ? { type: this.#oneOf([0, 3, 8, 128, 129]), code: this.#upTo(1) }
        : {}),
      state: this.#oneOf(['new', 'new', 'new', 'new', 'new', 'established', 'related', 'invalid']),
    };
  }

  /** Allow rules by the hundred, as nobody would write them. */
  allows(count: number, groupKeys: readonly string[] = []): readonly Allow[] {
    return Array.from({ length: count }, () => this.#allow(groupKeys));
  }

  #place({ ports, crossings }: NetworkRuleset): Place {
    const kind = this.#random();
    const stranger = this.#oneOf([...OUTSIDE, '10.0.0.77', 'fd00:1::77', '10.1.0.5', 'fd00:2::5']);
    const port = this.#oneOf(ports);
    if (kind < 0.65 && port !== undefined) {
      const speaksForItself = this.#chance(0.9);
      return {
        link: segmentOf(port),
        mac: this.#chance(0.95) ? port.mac : '02:00:00:00:00:99',
        address: speaksForItself ? this.#oneOf(port.addresses) : stranger,
        addresses: port.addresses,
        machine: true,
      };
    }
    const other = this.#oneOf(crossings);
    if (kind < 0.8 && other !== undefined) {
      const index = Number(other.link.slice('pcx'.length)) + 1;
      const addresses = [`10.${index}.0.5`, `fd00:${index + 1}::5`];
      const address = this.#chance(0.8) ? this.#oneOf(addresses) : stranger;
      return { link: other.link, mac: '02:00:00:00:01:00', address, addresses, machine: false };
    }
    return {
      link: 'up0',
      mac: '02:00:00:00:02:00',
      address: stranger,
      addresses: [...OUTSIDE],
      machine: false,
    };
  }

  #segment(index: number): SegmentRules {
    return {
      bridge: `snt${index}`,
      ...(this.#chance(0.25) ? { inbound: this.#some(0, 5, () => this.#entry()) } : {}),
      ...(this.#chance(0.25) ? { outbound: this.#some(0, 5, () => this.#entry()) } : {}),
      waysOut: this.#chance(0.3)
        ? [{ destination: '192.0.2.0/24' }, { destination: '0.0.0.0/0', source: '203.0.113.200' }]
        : [],
    };
  }

  #entry(): AclEntry {
    return {
      action: this.#chance(0.6) ? 'allow' : 'deny',
      block: this.#oneOf(BLOCKS),
      match: this.#match(),
    };
  }

  #port(index: number, groupKeys: readonly string[]): PortRules {
    const segment = index % 2;
    return {
      key: `eni${index}`,
      mac: `02:00:00:00:00:0${index}`,
      addresses: [
        `10.0.${segment}.${4 + index}`,
        ...(this.#chance(0.3) ? [`10.0.${segment}.${100 + index}`] : []),
        ...(this.#chance(0.5) ? [`fd00:1:0:${segment}::${4 + index}`.replace(':0:0::', '::')] : []),
      ],
      groupKeys: groupKeys.filter(() => this.#chance(0.6)),
      hopLimit: 1 + this.#upTo(2),
    };
  }

  #group(key: string, groupKeys: readonly string[], ports: readonly PortRules[]): GroupRules {
    const few = this.#chance(0.6) ? 4 : 60;
    return {
      key,
      members: ports.filter((port) => port.groupKeys.includes(key)).flatMap(({ addresses }) => addresses),
      ingress: this.allows(this.#upTo(few), groupKeys),
      egress: this.#chance(0.4)
        ? ['0.0.0.0/0', '::/0'].map((block) => ({ peer: { block }, match: { kind: 'all' } }))
        : this.allows(this.#upTo(few), groupKeys),
    };
  }

  #allow(groupKeys: readonly string[]): Allow {
    const groupKey = this.#chance(0.3) ? this.#oneOf(groupKeys) : undefined;
    return {
      peer: groupKey === undefined ? { block: this.#oneOf(BLOCKS) } : { groupKey },
      match: this.#match(),
    };
  }

  #match(): TrafficMatch {
    const kind = this.#random();
    if (kind < 0.05) return { kind: 'all' };
    if (kind < 0.12) return { kind: 'protocol', protocol: this.#oneOf([1, 6, 17, 47, 58]) };
    if (kind < 0.25)
      return {
        kind: 'icmp',
        protocol: this.#oneOf([1, 58]),
        type: this.#oneOf([0, 3, 8, 128]),
        ...(this.#chance(0.5) ? { code: this.#upTo(1) } : {}),
      };
    const [one, other] = [this.#number(), this.#number()];
    const isOne = this.#chance(0.3);
    return {
      kind: 'ports',
      protocol: this.#chance(0.6) ? 6 : 17,
      from: Math.min(one, isOne ? one : other),
      to: isOne ? one : Math.max(one, other),
    };
  }

  #number(): number {
    return this.#chance(0.7) ? this.#oneOf(EDGES) : this.#upTo(65_535);
  }

  #some<Item>(least: number, most: number, make: (index: number) => Item): readonly Item[] {
    return Array.from({ length: least + this.#upTo(most - least) }, (_, index) => make(index));
  }

  #oneOf<Item>(items: readonly [Item, ...Item[]]): Item;
  #oneOf<Item>(items: readonly Item[]): Item;
  #oneOf<Item>(items: readonly Item[]): Item | undefined {
    return items[Math.floor(this.#random() * items.length)];
  }

  #upTo(most: number): number {
    return Math.floor(this.#random() * (most + 1));
  }

  #chance(likely: number): boolean {
    return this.#random() < likely;
  }
}

interface Place {
  readonly link: string;
  readonly mac: string;
  readonly address: string;
  readonly addresses: readonly string[];
  readonly machine: boolean;
}

function segmentOf({ addresses: [first = ''] }: PortRules): string {
  return `snt${first.split('.')[2]}`;
}

function crossing(index: number): CrossingRules {
  return {
    link: `pcx${index}`,
    blocks: [`10.${index + 1}.0.0/16`, ...(index === 0 ? ['fd00:2::/56'] : [])],
  };
}
