// A namespace beyond the host in place of the internet, with a service on port 7000 that says who calls.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Conversation, tool } from './guest-tool.ts';

/** Addresses for benchmarks (RFC 2544), which no internet has; a /24 of them for each test file at work. */
const NETWORK = `198.18.${(process.pid % 200) + 20}`;

export class Outside {
  /** The host's address on the link between the two. */
  readonly host = `${NETWORK}.1`;
  readonly address = `${NETWORK}.2`;
  /** The block of the link, where further addresses are free. */
  readonly block = `${NETWORK}.0/24`;
  readonly namespace = `bonami-outside-${randomBytes(3).toString('hex')}`;
  readonly link = `bno${randomBytes(4).toString('hex')}`;
  readonly #services: Conversation[] = [];

  private constructor() {}

  static async open(): Promise<Outside> {
    const outside = new Outside();
    ip('netns', 'add', outside.namespace);
    ip('link', 'add', outside.link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', outside.namespace);
    ip('addr', 'add', `${outside.host}/24`, 'dev', outside.link);
    ip('link', 'set', outside.link, 'up');
    outside.ip('addr', 'add', `${outside.address}/24`, 'dev', 'eth0');
    outside.ip('link', 'set', 'eth0', 'up');
    const service = new Conversation(outside.namespace, ['serve', '7000']);
    outside.#services.push(service);
    await service.next();
    return outside;
  }

  /** The n-th address of its network. */
  at(offset: number): string {
    return `${NETWORK}.${offset}`;
  }

  ip(...args: readonly string[]): void {
    ip('-n', this.namespace, ...args);
  }

  async connects(to: string, port: number): Promise<unknown> {
    return tool(this.namespace, 'connect', to, String(port));
  }

  async close(): Promise<void> {
    for (const service of this.#services) await service.close();
    ip('link', 'del', this.link);
    ip('netns', 'del', this.namespace);
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args);
}
