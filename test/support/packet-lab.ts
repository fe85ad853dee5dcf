// A router in a namespace with links to ends in theirs: what the firewall's tables are tried on, without anything else
// of bonami.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execaSync } from 'execa';

const SCRIPT = join(import.meta.dirname, 'packet_lab.py');
const ROUTER_MAC = '02:ff:00:00:00:01';
const END_MAC = '02:00:00:00:00:0a';
/** What the router takes for the next hop behind a link. */
const GATEWAYS = ['169.254.96.1', 'fe80::1'];

/** A link of the router. */
export interface LabLink {
  readonly name: string;
  /** Addresses at the other end, straight behind the link. */
  readonly addresses?: readonly string[];
  /** Blocks behind the other end, which is then the next hop. */
  readonly blocks?: readonly string[];
  /** Whether the end has its addresses and answers by itself; otherwise it is silent. */
  readonly isAlive?: boolean;
}

/** A packet to send, as packet_lab.py reads it. */
export interface LabPacket {
  readonly from: string;
  readonly mac?: string;
  readonly source?: string;
  readonly destination?: string;
  readonly protocol?: number;
  readonly port?: number;
  readonly sourcePort?: number;
  readonly type?: number;
  readonly code?: number;
  readonly hops?: number;
  /** TCP flags; SYN when not given. */
  readonly flags?: number;
  /** Bytes in hexadecimal: after the header, before the Ethernet type, everything after the MACs. */
  readonly body?: string;
  readonly tag?: string;
  readonly raw?: string;
}

export interface Arrival {
  readonly mark: number;
  readonly at: string;
  readonly source: string;
  readonly destination: string;
}

export interface Stream {
  readonly sent: number;
  readonly heard: number;
  readonly connections: number;
  readonly slow: number;
  readonly failed: readonly string[];
}

export class PacketLab {
  readonly #id = `bonami-lab-${randomBytes(3).toString('hex')}`;
  readonly #links: readonly LabLink[];
  #child: ChildProcess | undefined;
  #answers: AsyncIterator<string> | undefined;
  #mark = 0;

  private constructor(links: readonly LabLink[]) {
    this.#links = links;
  }

  static async open(links: readonly LabLink[]): Promise<PacketLab> {
    const lab = new PacketLab(links);
    try {
      lab.#build();
      await lab.#plug();
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  /** The router's namespace, by its name. */
  get router(): string {
    return `${this.#id}-router`;
  }

  /** Runs a program in the router's namespace. */
  inside(command: string, args: readonly string[], input = ''): string {
    return execaSync('nsenter', [`--net=/run/netns/${this.router}`, command, ...args], { input }).stdout;
  }

  load(text: string): void {
    this.inside('nft', ['-f', '-'], text);
  }

  /** Sends packets; for each where it arrived and with which addresses, undefined when nowhere. */
  async send(packets: readonly LabPacket[]): Promise<readonly (Arrival | undefined)[]> {
    const marked = packets.map((packet) => ({ mac: END_MAC, ...packet, mark: this.#nextMark() }));
    const arrivals = (await this.#ask('send', marked)) as Arrival[];
    return marked.map(({ mark }) => arrivals.find((each) => each.mark === mark));
  }

  async send1(packet: LabPacket): Promise<Arrival | undefined> {
    return (await this.send([packet]))[0];
  }

  /** Datagrams, one each `gapSeconds` (none when 0), and connections from end to end, while `meanwhile` goes on. */
  async stream(
    way: {
      readonly from: string;
      readonly to: string;
      readonly address: string;
      readonly gapSeconds: number;
    },
    meanwhile: () => Promise<void>,
  ): Promise<Stream> {
    await this.#ask('stream', way.from, way.to, way.address, 5000, way.gapSeconds);
    try {
      await meanwhile();
    } finally {
      this.#child?.stdin?.write('["stop"]\n');
    }
    return (await this.#next()) as Stream;
  }

  async close(): Promise<void> {
    if (this.#child) {
      const closed = once(this.#child, 'close');
      this.#child.stdin?.end();
      await closed;
    }
    const names = execaSync('ip', ['netns', 'list']).stdout.match(new RegExp(`^${this.#id}\\S*`, 'gm')) ?? [];
    for (const name of names) execaSync('ip', ['netns', 'del', name]);
  }

  #end(link: string): string {
    return `${this.#id}-${link}`;
  }

  #build(): void {
    batch([`netns add ${this.router}`, ...this.#links.map(({ name }) => `netns add ${this.#end(name)}`)]);
    batch(['link set lo up'], this.router);
    const words = [
      'net.ipv4.ip_forward=1',
      'net.ipv6.conf.all.forwarding=1',
      'net.ipv6.conf.default.accept_dad=0',
    ];
    this.inside('sysctl', [
      '-q',
      '-w',
      ...words,
      'net.ipv4.conf.all.rp_filter=0',
      'net.ipv4.conf.default.rp_filter=0',
    ]);
    for (const link of this.#links) this.#connect(link);
  }

  #connect({ name, addresses = [], blocks = [], isAlive = false }: LabLink): void {
    const end = this.#end(name);
    const veth = `link add ${name} address ${ROUTER_MAC} type veth peer name eth0 address ${END_MAC} netns ${end}`;
    const neighbours = [...addresses, ...GATEWAYS].map(
      (address) => `neigh replace ${address} lladdr ${END_MAC} dev ${name} nud permanent`,
    );
    batch(
      [
        veth,
        `link set ${name} up`,
        ...neighbours,
        ...addresses.map((address) => `route add ${address} dev ${name}`),
        ...blocks.map((block) => `route add ${block} via ${gatewayOf(block)} dev ${name} onlink`),
      ],
      this.router,
    );
    batch(
      [
        'link set lo up',
        'link set eth0 up',
        ...(isAlive ? addresses.map((address) => `addr add ${address} dev eth0`) : []),
        ...GATEWAYS.flatMap((address) => [
          `neigh replace ${address} lladdr ${ROUTER_MAC} dev eth0 nud permanent`,
          `route add ${address.includes(':') ? '::/0' : '0.0.0.0/0'} via ${address} dev eth0 onlink`,
        ]),
      ],
      end,
    );
  }

  async #plug(): Promise<void> {
    const namespaces = Object.fromEntries(this.#links.map(({ name }) => [name, this.#end(name)]));
    this.#child = spawn('/usr/bin/python3', ['-B', SCRIPT, JSON.stringify(namespaces)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (this.#child.stdout)
      this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    await this.#next();
  }

  async #ask(...words: readonly unknown[]): Promise<unknown> {
    this.#child?.stdin?.write(`${JSON.stringify(words)}\n`);
    return this.#next();
  }

  async #next(): Promise<unknown> {
    const { value, done } = (await this.#answers?.next()) ?? { done: true, value: '' };
    if (done === true) throw new Error('packet_lab.py has ended');
    return JSON.parse(value);
  }

  /** Unique for as long as it matters, within the 16 bits of an IPv4 packet's identification. */
  #nextMark(): number {
    this.#mark = (this.#mark % 65_000) + 1;
    return this.#mark;
  }
}

function batch(lines: readonly string[], namespace?: string): void {
  const where = namespace === undefined ? [] : ['-n', namespace];
  execaSync('ip', [...where, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

function gatewayOf(block: string): string {
  return (block.includes(':') ? GATEWAYS[1] : GATEWAYS[0]) ?? '';
}
