// Small networks in which most traffic meets some rule, and questions about them.
import { transact } from '../../../../src/store/database.ts';
import type { Address } from '../../../../src/store/addresses.ts';
import type { NetworkAclEntry } from '../../../../src/store/network-acls.ts';
import type { RouteTarget } from '../../../../src/store/route-tables.ts';
import type { RulePeer, SecurityGroup, SecurityGroupRule } from '../../../../src/store/security-groups.ts';
import type { Subnet, Vpc } from '../../../../src/store/vpcs.ts';
import { generator } from '../../../support/random.ts';
import { allowIn, allowOut, entry, type Machine, type RecordedWorld } from './recorded-world.ts';

/** Ports at which rules and entries begin and end. */
export const EDGES = [
  0, 21, 22, 23, 80, 443, 1023, 1024, 32_767, 32_768, 40_000, 50_000, 60_999, 61_000, 65_535,
];
const BLOCKS = [
  ...[
    '0.0.0.0/0',
    '0.0.0.0/0',
    '10.0.0.0/8',
    '10.0.0.0/16',
    '10.0.1.0/24',
    '10.0.2.0/24',
    '10.1.0.0/16',
    '10.1.1.4/32',
  ],
  ...['169.254.96.0/20', '198.51.100.0/24', '203.0.113.0/24', '192.0.0.0/24', '10.0.1.4/32', '128.0.0.0/1'],
  ...['::/0', '::/0', 'fd00::/8', 'fd00:1::/56', 'fd00:1:0:2::/64', 'fd00:2::/56', 'fd00:2:0:1::4/128'],
];
const TRAFFIC = [
  ...[
    'tcp/22',
    'tcp/22',
    'tcp/22',
    'tcp/80',
    'tcp/443',
    'tcp/20-23',
    'tcp/1000-1100',
    'udp/53',
    'udp/1024',
    'tcp',
  ],
  ...['icmp', 'icmp', 'icmp/3/4', 'icmp/8/1', 'proto/47', 'proto/132'],
];

export interface RandomWorld {
  readonly machines: readonly Machine[];
  readonly elastics: readonly Address[];
}

export interface RandomQuestion {
  readonly from: string;
  readonly to: string;
  readonly traffic: string;
}

export class RandomWorlds {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = generator(seed);
  }

  /** Two VPCs, three subnets, half a dozen machines. */
  build(world: RecordedWorld): RandomWorld {
    return transact(world.db, () => {
      const one = world.vpc('10.0.0.0/16', { ipv6: 'fd00:1::/56' });
      const two = world.vpc('10.1.0.0/16', { ipv6: 'fd00:2::/56' });
      const nets = [
        world.subnet(one, '10.0.1.0/24', { ipv6: 'fd00:1:0:1::/64' }),
        world.subnet(one, '10.0.2.0/24', { ipv6: 'fd00:1:0:2::/64' }),
        world.subnet(two, '10.1.1.0/24', { ipv6: 'fd00:2:0:1::/64' }),
      ];
      const peering = this.#chance(0.8)
        ? world.peering(one, two, this.#chance(0.9) ? 'active' : 'pending-acceptance')
        : undefined;
      const groups = [this.#groups(world, one), this.#groups(world, two)];
      const machines = nets.flatMap((subnet, index) =>
        this.#machines(world, subnet, groups[index === 2 ? 1 : 0] ?? []),
      );
      this.#setRules(world, groups, peering !== undefined);
      const elastics = this.#elastics(world, machines);
      const gateways = [one, two].map((vpc) => world.gateway(this.#chance(0.9) ? vpc : undefined));
      const nats = nets.map((subnet, index) =>
        this.#chance(0.4) ? world.nat(subnet, `203.0.113.${200 + index}`) : undefined,
      );
      nets.forEach((subnet, index) => {
        const isOne = index < 2;
        const internet: RouteTarget = { kind: 'internetGateway', id: gateways[isOne ? 0 : 1] ?? 'igw-0' };
        const nat = this.#oneOf(isOne ? nats.slice(0, 2) : nats.slice(2));
        const router = this.#oneOf(machines.filter(({ instance }) => instance.vpcId === subnet.vpcId));
        this.#routes(world, subnet, {
          internet,
          other: isOne ? '10.1' : '10.0',
          other6: isOne ? 'fd00:2::/56' : 'fd00:1::/56',
          ...(nat === undefined ? {} : { nat: { kind: 'natGateway', id: nat } }),
          ...(router && {
            router: { kind: 'networkInterface', id: router.networkInterface.networkInterfaceId },
          }),
          ...(peering === undefined ? {} : { peering: { kind: 'vpcPeeringConnection', id: peering } }),
        });
        if (this.#chance(0.3)) world.acl(subnet, this.#entries());
      });
      return { machines, elastics };
    });
  }

  question({ machines, elastics }: RandomWorld): RandomQuestion {
    const isIpv6 = this.#chance(0.25);
    const from = this.#from(machines, isIpv6);
    return { from, to: this.#to({ machines, elastics }, isIpv6), traffic: this.#oneOf(TRAFFIC) ?? 'all' };
  }

  #from(machines: readonly Machine[], isIpv6: boolean): string {
    if (this.#chance(0.08)) return isIpv6 ? '2001:db8:1::1' : '198.51.100.7';
    return this.#chance(0.1) ? 'host' : this.#addressOf(machines, isIpv6);
  }

  #to({ machines, elastics }: RandomWorld, isIpv6: boolean): string {
    const elastic = this.#oneOf(elastics)?.publicIp;
    if (!isIpv6 && elastic !== undefined && this.#chance(0.25)) return elastic;
    if (this.#chance(0.12))
      return isIpv6 ? '2001:db8:1::1' : this.#chance(0.7) ? '198.51.100.7' : '10.0.1.99';
    return this.#addressOf(machines, isIpv6);
  }

  #addressOf(machines: readonly Machine[], isIpv6: boolean): string {
    const addresses = machines.flatMap(
      ({ networkInterface: { privateIpAddress, secondaryPrivateIpAddresses, ipv6Addresses } }) =>
        isIpv6 ? ipv6Addresses : [privateIpAddress, privateIpAddress, ...secondaryPrivateIpAddresses],
    );
    return this.#oneOf(addresses) ?? '10.0.1.4';
  }

  #groups(world: RecordedWorld, vpc: Vpc): readonly SecurityGroup[] {
    return ['red', 'green', 'blue'].map((name) => world.group(vpc, name, []));
  }

  #setRules(world: RecordedWorld, groups: readonly (readonly SecurityGroup[])[], isPeered: boolean): void {
    groups.forEach((own, index) => {
      const named = [...own, ...(isPeered ? (groups[1 - index] ?? []) : [])];
      const list = world.prefixList(
        `list ${index}`,
        this.#some(0, 3, () => this.#ipv4Block()),
      );
      for (const group of own)
        world.setRules(group, [
          ...this.#some(1, 5, () => allowIn(this.#traffic(), this.#peer(named, list))),
          ...(this.#chance(0.6)
            ? [allowOut('all', '0.0.0.0/0'), allowOut('all', '::/0')]
            : this.#some(0, 3, () => allowOut(this.#traffic(), this.#peer(named, list)))),
        ] satisfies SecurityGroupRule[]);
    });
  }

  #peer(groups: readonly SecurityGroup[], list: RulePeer): string | SecurityGroup | RulePeer {
    const kind = this.#random();
    if (kind < 0.3) return this.#oneOf(groups) ?? '0.0.0.0/0';
    return kind < 0.4 ? list : (this.#oneOf(BLOCKS) ?? '0.0.0.0/0');
  }

  #ipv4Block(): string {
    return this.#oneOf(BLOCKS.filter((block) => !block.includes(':'))) ?? '0.0.0.0/0';
  }

  #machines(world: RecordedWorld, subnet: Subnet, groups: readonly SecurityGroup[]): readonly Machine[] {
    const network = subnet.cidrBlock.replace(/0\/24$/, '');
    const network6 = subnet.ipv6?.cidrBlock.replace(/\/64$/, '') ?? '';
    return this.#some(1, 3, (index) =>
      world.machine(subnet, {
        groups: groups.filter((_, at) => at === index % 3 || this.#chance(0.4)),
        address: `${network}${4 + index}`,
        ...(this.#chance(0.3) ? { secondary: [`${network}${100 + index}`] } : {}),
        ipv6: [`${network6}${(4 + index).toString(16)}`],
        sourceDestCheck: this.#chance(0.6),
        state: this.#chance(0.92) ? 'running' : 'stopped',
      }),
    );
  }

  #elastics(world: RecordedWorld, machines: readonly Machine[]): readonly Address[] {
    return machines
      .filter(() => this.#chance(0.5))
      .map(({ networkInterface }, index) => {
        const reach = this.#oneOf(['host', 'lan', 'own'] as const) ?? 'host';
        return world.elastic(`203.0.113.${10 + index}`, networkInterface, {
          reach,
          ...(reach === 'own' ? { carrierIp: `203.0.113.${110 + index}` } : {}),
        });
      })
      .concat(this.#chance(0.3) ? [world.elastic('203.0.113.99', undefined)] : []);
  }

  #routes(world: RecordedWorld, subnet: Subnet, targets: Targets): void {
    const { internet, nat, router, peering, other, other6 } = targets;
    const out = this.#chance(0.3) ? nat : internet;
    world.routes(subnet, {
      ...(this.#chance(0.85) ? { '0.0.0.0/0': out ?? internet } : {}),
      ...(this.#chance(0.3) ? { '::/0': internet } : {}),
      ...(peering && this.#chance(0.85) ? { [`${other}.0.0/16`]: peering, [other6]: peering } : {}),
      ...(router && this.#chance(0.2) ? { '198.51.100.0/24': router } : {}),
      ...(router && this.#chance(0.1) ? { [`${other}.1.4/32`]: router } : {}),
      ...(this.#chance(0.1) ? { '203.0.113.0/24': nat ?? internet } : {}),
    });
  }

  #entries(): readonly NetworkAclEntry[] {
    const some = (direction: 'in' | 'out'): readonly NetworkAclEntry[] => [
      ...this.#some(0, 4, (index) =>
        entry(
          100 + index,
          this.#chance(0.6) ? 'allow' : 'deny',
          direction,
          this.#traffic(),
          this.#oneOf(BLOCKS),
        ),
      ),
      ...(this.#chance(0.6)
        ? [entry(200, 'allow', direction, 'all'), entry(201, 'allow', direction, 'all', '::/0')]
        : []),
      ...(this.#chance(0.4)
        ? [
            entry(
              150,
              'allow',
              direction,
              this.#oneOf(['tcp/1024-65535', 'tcp/32768-60999', 'tcp/40000-65535']) ?? '',
            ),
          ]
        : []),
    ];
    return [...some('in'), ...some('out')];
  }

  #traffic(): string {
    const kind = this.#random();
    if (kind < 0.4) return 'all';
    if (kind < 0.45)
      return (
        this.#oneOf(['icmp', 'icmp/8', 'icmp/8/0', 'icmp/0', 'icmpv6', 'icmpv6/128', 'icmpv6/129/0']) ??
        'icmp'
      );
    if (kind < 0.5) return 'proto/47';
    const [one, two] = [this.#oneOf(EDGES) ?? 22, this.#oneOf(EDGES) ?? 22];
    const name = this.#chance(0.7) ? 'tcp' : 'udp';
    return this.#chance(0.3) ? `${name}/22` : `${name}/${Math.min(one, two)}-${Math.max(one, two)}`;
  }

  #some<Item>(least: number, most: number, make: (index: number) => Item): readonly Item[] {
    return Array.from({ length: least + Math.floor(this.#random() * (most - least + 1)) }, (_, index) =>
      make(index),
    );
  }

  #oneOf<Item>(items: readonly Item[]): Item | undefined {
    return items[Math.floor(this.#random() * items.length)];
  }

  #chance(likely: number): boolean {
    return this.#random() < likely;
  }
}

interface Targets {
  readonly internet: RouteTarget;
  readonly nat?: RouteTarget;
  readonly router?: RouteTarget;
  readonly peering?: RouteTarget;
  /** How the other VPC's addresses begin. */
  readonly other: string;
  readonly other6: string;
}
