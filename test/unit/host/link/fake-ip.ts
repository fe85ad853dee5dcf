// What a kernel makes of the lines for `ip`, as far as routers need it. It refuses what the real one refuses: what is
// there cannot be added, what is not there cannot be taken away, and a gateway must be reachable.
import { networkOf } from '../../../../src/core/cidr.ts';
import {
  blockContains,
  contains6,
  familyOf,
  parseIpv6,
  prefixOf,
  type Family,
} from '../../../../src/core/ip.ts';
import type {
  KernelState,
  LinkState,
  NeighbourState,
  RouteState,
  RuleState,
} from '../../../../src/host/link/kernel-state.ts';
import type { RouterChanges } from '../../../../src/host/link/router-changes.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Link = Omit<Mutable<LinkState>, 'addresses'> & {
  addresses: string[];
  kind: 'bridge' | 'tap' | 'other';
};
interface Connected {
  readonly device: string;
  readonly block: string;
}

/** A whole line; % stands for a word. */
function pattern(text: string): RegExp {
  // @ is a destination, which may name the metric of a route behind another one.
  const words = text.replaceAll('%', String.raw`(\S+)`).replaceAll('@', String.raw`(\S+(?: metric \d+)?)`);
  return new RegExp(`^${words}$`);
}

export class FakeIp {
  readonly #links = new Map<string, Link>();
  #routes: RouteState[] = [];
  #connected: Connected[] = [];
  #rules: RuleState[] = [];
  #neighbours: NeighbourState[] = [];

  /** A namespace that has just been joined to the host: its uplink stands. */
  constructor({ isEmpty = false } = {}) {
    this.#add('lo', 'other');
    if (isEmpty) return;
    this.#add('up0', 'other').mtu = 1500;
    this.run('addr add 169.254.96.2/30 dev up0', 'link set up0 up');
  }

  /** The end of a link to another router. */
  join(link: string): this {
    if (!this.#links.has(link)) this.#add(link, 'other').mtu = 9001;
    return this;
  }

  /** A machine opens its tap, or lets go of it. */
  hold(tap: string, held = true): this {
    this.#link(tap).hasCarrier = held;
    return this;
  }

  /** What no line of ours says: properties of a link that somebody else has made or changed. */
  change(name: string, fields: Partial<Omit<LinkState, 'addresses'>>): this {
    Object.assign(this.#link(name), fields);
    return this;
  }

  state(): KernelState {
    return {
      links: new Map(
        [...this.#links].map(([name, { kind: _kind, addresses, ...link }]) => [
          name,
          { ...link, addresses: [...addresses] },
        ]),
      ),
      routes: [...this.#routes],
      connected: new Set(this.#connected.map(({ device, block }) => `${device} ${block}`)),
      rules: [...this.#rules],
      neighbours: [...this.#neighbours],
    };
  }

  /** In the order in which `ensureRouter` says them. */
  apply({ links, addresses, neighbours, addresses6, up, forwarding }: RouterChanges): this {
    this.run(...links, ...addresses, ...neighbours);
    for (const line of addresses6) this.#run(line, 6);
    this.run(...up);
    for (const entry of forwarding) this.#link(entry.split(' ').at(-1) ?? '');
    return this;
  }

  run(...lines: readonly string[]): this {
    for (const line of lines) this.#run(line, 4);
    return this;
  }

  #run(line: string, family: Family): void {
    for (const [form, effect] of this.#effects) {
      const found = form.exec(line);
      if (found === null) continue;
      try {
        effect(found.slice(1), family);
      } catch (cause) {
        throw new Error(`${line}: ${(cause as Error).message}`, { cause });
      }
      return;
    }
    throw new Error(`no kernel understands '${line}'`);
  }

  readonly #effects: readonly [RegExp, (words: string[], family: Family) => void][] = [
    [
      pattern('link add % type bridge stp_state 0 mcast_snooping 0'),
      ([name = '']) => void this.#add(name, 'bridge'),
    ],
    [
      pattern('tuntap add dev % mode tap user \\d+( multi_queue)?'),
      ([name = '', queues]) => {
        this.#add(name, 'tap').isMultiqueue = queues !== undefined;
      },
    ],
    [pattern('link del %'), ([name = '']) => this.#remove(name)],
    [pattern('link set % up'), ([name = '']) => this.#raise(name)],
    [pattern('link set % down'), ([name = '']) => this.#lower(name)],
    [
      pattern('link set % address % mtu (\\d+)'),
      ([name = '', mac = '', mtu]) => void Object.assign(this.#link(name), { mac, mtu: Number(mtu) }),
    ],
    [
      pattern('link set % mtu (\\d+)'),
      ([name = '', mtu]) => void Object.assign(this.#link(name), { mtu: Number(mtu) }),
    ],
    [pattern('link set % master %'), ([name = '', bridge = '']) => this.#plug(name, bridge)],
    [
      pattern('link set % type bridge_slave isolated (on|off) learning off flood off mcast_flood (?:on|off)'),
      ([name = '', isolated]) => {
        const link = this.#link(name);
        refuseUnless(link.master !== undefined, 'no port of a bridge');
        link.isIsolated = isolated === 'on';
      },
    ],
    [pattern('addr add % dev %( nodad)?'), ([address = '', name = '']) => this.#address(name, address)],
    [pattern('addr del % dev %'), ([address = '', name = '']) => this.#unaddress(name, address)],
    [
      pattern('route add % via % dev %( onlink)? table %'),
      ([destination = '', gateway = '', device = '', onlink, table = '']) =>
        this.#route({ type: 'unicast', table, destination, gateway, device }, onlink !== undefined),
    ],
    [
      pattern('route add (blackhole|throw|unreachable) @ table %'),
      ([type = '', destination = '', table = '']) =>
        this.#route({ type, table, destination, gateway: undefined, device: undefined }, false),
    ],
    [
      pattern('route add % dev % table %'),
      ([destination = '', device = '', table = '']) =>
        this.#route({ type: 'unicast', table, destination, gateway: undefined, device }, false),
    ],
    [
      pattern('route append % dev % proto kernel scope link src %'),
      ([block = '', device = '', source = '']) => {
        const { isUp, addresses } = this.#link(device);
        refuseUnless(isUp && addresses.includes(`${source}/${prefixOf(block)}`), 'invalid source');
        this.#connected.push({ device, block });
      },
    ],
    [
      // What the kernel made for an address; only others take it away.
      pattern('route del % dev % proto kernel'),
      ([block = '', device = '']) => {
        this.#connected = without(
          this.#connected,
          (each) => each.device === device && each.block === block,
          'route',
        );
      },
    ],
    [
      pattern('route del (?:(blackhole|throw|unreachable) )?@ table %'),
      ([type, destination = '', table = '']) => {
        this.#routes = without(
          this.#routes,
          (each) =>
            each.destination === destination &&
            each.table === table &&
            (type === undefined || each.type === type),
          'route',
        );
      },
    ],
    [
      pattern('rule add pref (\\d+) iif % lookup %'),
      ([priority, input = '', table = ''], family) => {
        const rule = { family, priority: Number(priority), input, table };
        refuseUnless(
          this.#rules.every((each) => !sameRule(each, rule)),
          'the rule exists',
        );
        this.#rules.push(rule);
      },
    ],
    [
      pattern('rule del pref (\\d+) iif % lookup %'),
      ([priority, input = '', table = ''], family) => {
        const rule = { family, priority: Number(priority), input, table };
        this.#rules = without(this.#rules, (each) => sameRule(each, rule), 'rule');
      },
    ],
    [
      pattern('neigh replace % lladdr % dev % nud (permanent|reachable)'),
      ([address = '', mac = '', device = '', nud]) => {
        refuseUnless(this.#link(device).isUp, 'the link is down');
        this.#neighbours = [
          ...this.#neighbours.filter((each) => each.address !== address || each.device !== device),
          { address, mac, device, isPermanent: nud === 'permanent' },
        ];
      },
    ],
    [
      pattern('neigh del % dev %'),
      ([address = '', device = '']) => {
        this.#neighbours = without(
          this.#neighbours,
          (each) => each.address === address && each.device === device,
          'neighbour',
        );
      },
    ],
  ];

  #add(name: string, kind: Link['kind']): Link {
    refuseUnless(!this.#links.has(name), `${name} exists`);
    const link: Link = {
      name,
      kind,
      mac: `02:99:00:00:00:${String(this.#links.size).padStart(2, '0')}`,
      mtu: 1500,
      isUp: false,
      hasCarrier: false,
      master: undefined,
      isIsolated: false,
      isMultiqueue: false,
      addresses: [],
    };
    this.#links.set(name, link);
    return link;
  }

  #link(name: string): Link {
    const link = this.#links.get(name);
    if (link === undefined) throw new Error(`there is no ${name}`);
    return link;
  }

  #remove(name: string): void {
    this.#lower(name);
    this.#links.delete(name);
    for (const port of this.#links.values()) if (port.master === name) this.#unplug(port);
  }

  #plug(name: string, bridge: string): void {
    refuseUnless(this.#link(bridge).kind === 'bridge', 'no bridge');
    const link = this.#link(name);
    // A port's flags go with its place.
    if (link.master !== bridge) this.#unplug(link);
    link.master = bridge;
  }

  #unplug(link: Link): void {
    link.master = undefined;
    link.isIsolated = false;
  }

  #raise(name: string): void {
    const link = this.#link(name);
    if (link.isUp) return;
    link.isUp = true;
    for (const address of link.addresses) this.#connect(name, address);
  }

  #connect(device: string, address: string): void {
    if (familyOf(address) === 4 && prefixOf(address) < 32 && this.#link(device).isUp)
      this.#connected.push({ device, block: networkOf(address) });
  }

  /** Routes, neighbours and IPv6 addresses go when a link goes down. */
  #lower(name: string): void {
    const link = this.#link(name);
    link.isUp = false;
    link.addresses = link.addresses.filter((address) => familyOf(address) === 4);
    for (const family of [4, 6] as const) this.#flush(name, family);
  }

  #flush(name: string, family: Family): void {
    const isOther = (device: string | undefined, text: string): boolean =>
      device !== name || familyOf(text) !== family;
    this.#routes = this.#routes.filter(({ device, destination }) => isOther(device, destination));
    this.#neighbours = this.#neighbours.filter(({ device, address }) => isOther(device, address));
    this.#connected = this.#connected.filter(({ device, block }) => isOther(device, block));
  }

  #address(name: string, address: string): void {
    const link = this.#link(name);
    refuseUnless(!link.addresses.includes(address), 'the address exists');
    link.addresses.push(address);
    this.#connect(name, address);
  }

  #unaddress(name: string, address: string): void {
    const link = this.#link(name);
    link.addresses = without(link.addresses, (each) => each === address, 'address');
    if (familyOf(address) === 6) return;
    // Without any IPv4 address a link takes no part in it; IPv6 has its link-local one still.
    if (!link.addresses.some((each) => familyOf(each) === 4)) this.#flush(name, 4);
    else
      this.#connected = this.#connected.filter(
        ({ device, block }) => device !== name || block !== networkOf(address),
      );
  }

  #route(route: Omit<RouteState, 'family'>, isOnLink: boolean): void {
    const { destination, table, gateway, device } = route;
    refuseUnless(
      !this.#routes.some((each) => each.table === table && each.destination === destination),
      'the route exists',
    );
    if (device !== undefined) {
      const { isUp } = this.#link(device);
      refuseUnless(isUp, 'the link is down');
      refuseUnless(
        gateway === undefined || isOnLink || this.#reaches(device, gateway),
        'the gateway is unreachable',
      );
    }
    this.#routes.push({ ...route, family: familyOf(destination) });
  }

  #reaches(device: string, gateway: string): boolean {
    if (familyOf(gateway) === 4)
      return this.#connected.some((each) => each.device === device && blockContains(each.block, gateway));
    return this.#link(device)
      .addresses.filter((address) => familyOf(address) === 6)
      .some((address) => {
        const network = parseIpv6(address.split('/')[0] ?? '') ?? 0n;
        return contains6({ network, prefix: prefixOf(address) }, parseIpv6(gateway) ?? -1n);
      });
  }
}

function sameRule(a: RuleState, b: RuleState): boolean {
  return a.family === b.family && a.priority === b.priority && a.input === b.input && a.table === b.table;
}

/** The list without the first that matches; one must. */
function without<T>(list: readonly T[], matches: (each: T) => boolean, what: string): T[] {
  const at = list.findIndex(matches);
  refuseUnless(at >= 0, `there is no such ${what}`);
  return list.filter((_, index) => index !== at);
}

function refuseUnless(condition: boolean, reason: string): void {
  if (!condition) throw new Error(reason);
}
