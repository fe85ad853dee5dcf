// Runs the forward hook of a table in nft's language as the kernel does, for the words that we use; anything else
// is an error.
import { isIn } from './packet-model.ts';
import type { Packet } from './packet.ts';

type Verdict = 'accept' | 'drop' | 'return' | undefined;

interface Table {
  readonly chains: ReadonlyMap<string, readonly string[]>;
  readonly sets: ReadonlyMap<string, readonly string[]>;
}

const PRIORITIES: Readonly<Record<string, number>> = { mangle: -150, filter: 0 };
const PROTOCOLS: Readonly<Record<string, number>> = { tcp: 6, udp: 17, icmp: 1, icmpv6: 58 };

/** Whether a packet gets through every chain of the forward hook. */
export function forwards(text: string, packet: Packet): boolean {
  const table = read(text);
  const hooked = [...table.chains].flatMap(([name, [head = '']]) => {
    const [, base = '', , offset = '0'] =
      /^type filter hook forward priority (\w+)( - (\d+))?; policy accept;$/.exec(head) ?? [];
    return base === '' ? [] : [{ name, priority: (PRIORITIES[base] ?? Number.NaN) - Number(offset) }];
  });
  return hooked
    .sort((a, b) => a.priority - b.priority)
    .every(({ name }) => runChain(table, name, packet) !== 'drop');
}

const known = new Map<string, Table>();

function read(text: string): Table {
  const table = known.get(text) ?? parse(text);
  known.clear();
  known.set(text, table);
  return table;
}

function parse(text: string): Table {
  const chains = new Map<string, readonly string[]>();
  const sets = new Map<string, readonly string[]>();
  for (const [, kind, name = '', body = ''] of text.matchAll(
    /^ {2}(chain|set|map) (\S+) \{\n([^]*?)^ {2}\}$/gm,
  )) {
    const lines = body.split('\n').flatMap((line) => line.trim() || []);
    if (kind === 'chain') chains.set(name, lines);
    else sets.set(name, elementsOf(/elements = (\{.*\})/.exec(body)?.[1] ?? '{ }'));
  }
  return { chains, sets };
}

function elementsOf(text: string): readonly string[] {
  return text
    .slice(1, -1)
    .split(',')
    .flatMap((element) => element.trim() || []);
}

function runChain(table: Table, name: string, packet: Packet): Verdict {
  const lines = table.chains.get(name);
  if (lines === undefined) throw new Error(`there is no chain ${name}`);
  for (const line of lines.filter((each) => !each.startsWith('type '))) {
    const verdict = new Rule(table, line, packet).run();
    if (verdict === 'return') return undefined;
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

class Rule {
  readonly #table: Table;
  readonly #words: string[];
  readonly #packet: Packet;

  constructor(table: Table, line: string, packet: Packet) {
    this.#table = table;
    this.#words = line.match(/\{[^}]*\}|"[^"]*"|\S+/g) ?? [];
    this.#packet = packet;
  }

  run(): Verdict {
    for (;;) {
      const word = this.#next();
      if (word === undefined) return undefined;
      if (word === 'counter') continue;
      if (word === 'limit') {
        this.#words.splice(0, 'rate N/second burst N packets'.split(' ').length);
        continue;
      }
      if (word === 'accept' || word === 'drop' || word === 'return') return word;
      if (word === 'jump') return this.#jump(this.#next() ?? '');
      // The clamp changes packets and judges none.
      if (word === 'tcp' && this.#words[0] === 'flags') return undefined;
      const values = this.#values(word);
      if (this.#words[0] === 'vmap') {
        this.#next();
        return this.#map(values);
      }
      if (!this.#test(values)) return undefined;
    }
  }

  #next(): string | undefined {
    return this.#words.shift();
  }

  /** The packet's side of a match: undefined where the packet has no such thing. Parts that are joined by dots. */
  #values(first: string): readonly (string | number | undefined)[] {
    const values = [this.#value(first)];
    while (this.#words[0] === '.') {
      this.#next();
      values.push(this.#value(this.#next() ?? ''));
    }
    return values;
  }

  #value(word: string): string | number | undefined {
    const { from, to, mac, source, destination, nextHop, protocol, port, type, code, state } = this.#packet;
    const isIpv6 = source.includes(':');
    if (word === 'iifname') return from;
    if (word === 'oifname') return to;
    const key = `${word} ${this.#next()}`;
    switch (key) {
      case 'ether saddr':
        return mac;
      case 'ct state':
        return state;
      case 'ip saddr':
      case 'ip6 saddr':
        return isIpv6 === (word === 'ip6') ? source : undefined;
      case 'ip daddr':
      case 'ip6 daddr':
        return isIpv6 === (word === 'ip6') ? destination : undefined;
      case 'rt ip':
      case 'rt ip6':
        this.#next();
        return isIpv6 === (key === 'rt ip6') ? nextHop : undefined;
      case 'meta l4proto':
        return protocol;
      case 'meta nfproto':
        return isIpv6 ? 'ipv6' : 'ipv4';
      case 'th dport':
        return port;
      case 'tcp dport':
      case 'udp dport':
        return protocol === PROTOCOLS[word] ? port : undefined;
      case 'icmp type':
      case 'icmpv6 type':
        return protocol === PROTOCOLS[word] && isIpv6 === (word === 'icmpv6') ? type : undefined;
      case 'icmp code':
      case 'icmpv6 code':
        return protocol === PROTOCOLS[word] && isIpv6 === (word === 'icmpv6') ? code : undefined;
      default:
        throw new Error(`unknown match: ${key}`);
    }
  }

  #test(values: readonly (string | number | undefined)[]): boolean {
    const isNegated = this.#words[0] === '!=';
    if (isNegated) this.#next();
    const right = this.#next() ?? '';
    // A packet without the header does not match, whatever is asked.
    if (values.includes(undefined)) return false;
    const elements =
      right.startsWith('{') || right.startsWith('@') ? this.#elements(right) : right.split(',');
    return elements.some((element) => isElement(values, element)) !== isNegated;
  }

  #map(values: readonly (string | number | undefined)[]): Verdict {
    const entries = this.#elements(this.#next() ?? '').map((entry) => entry.split(' : '));
    const [, verdict] = entries.find(([key = '']) => isElement(values, key)) ?? [];
    return verdict === undefined || values.includes(undefined)
      ? undefined
      : this.#jump(verdict.replace(/^jump /, ''));
  }

  #elements(text: string): readonly string[] {
    if (text.startsWith('{')) return elementsOf(text);
    const elements = this.#table.sets.get(text.slice(1));
    if (elements === undefined) throw new Error(`there is no set ${text}`);
    return elements;
  }

  #jump(chain: string): Verdict {
    return runChain(this.#table, chain, this.#packet);
  }
}

function isElement(values: readonly (string | number | undefined)[], element: string): boolean {
  const parts = element.split(' . ');
  return parts.length === values.length && values.every((value, index) => isPart(value, parts[index] ?? ''));
}

function isPart(value: string | number | undefined, part: string): boolean {
  if (typeof value === 'number') {
    const [from = Number.NaN, to = from] = part.split('-').map((word) => PROTOCOLS[word] ?? Number(word));
    return from <= value && value <= to;
  }
  if (value === undefined) return false;
  if (part.startsWith('"')) {
    const name = part.slice(1, -1);
    return name.endsWith('*') ? value.startsWith(name.slice(0, -1)) : value === name;
  }
  return part.includes('/') ? isIn(value, [part]) : value === part;
}
