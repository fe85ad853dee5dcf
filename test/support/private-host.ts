// A host of a test's own to disturb: a namespace that plays the host, with other people's firewalls and networks as the
// test likes, and one beyond it with a service on port 7000 that says who calls. The code under test is told that its
// networks stand there; everything else of it is as it runs for root.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { HOST_GROUND, type Ground } from '../../src/host/ground.ts';
import { namedNamespace } from '../../src/host/link/namespace.ts';
import { Conversation, tool } from './guest-tool.ts';

export class PrivateHost {
  /** Addresses for benchmarks (RFC 2544), in networks that nobody else sees. */
  readonly address = '198.18.0.1';
  readonly outside = '198.18.0.2';
  /** The host's link to the outside. */
  readonly link = 'ext0';
  readonly namespace: string;
  readonly ground: Ground;
  readonly #beyond: string;
  readonly #lock: string;
  readonly #services: Conversation[] = [];

  private constructor() {
    const id = randomBytes(3).toString('hex');
    [this.namespace, this.#beyond] = [`bonami-host-${id}`, `bonami-beyond-${id}`];
    this.#lock = `/run/lock/${this.namespace}.lock`;
    const host = namedNamespace(this.namespace);
    this.ground = {
      ...HOST_GROUND,
      namespace: host,
      uplinkLock: this.#lock,
      router: (name) => namedNamespace(name, host),
    };
  }

  static async open(): Promise<PrivateHost> {
    const host = new PrivateHost();
    ip('netns', 'add', host.namespace);
    ip('netns', 'add', host.#beyond);
    host.ip('link', 'set', 'lo', 'up');
    host.ip('link', 'add', host.link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', host.#beyond);
    host.ip('addr', 'add', `${host.address}/24`, 'dev', host.link);
    host.ip('link', 'set', host.link, 'up');
    ip('-n', host.#beyond, 'addr', 'add', `${host.outside}/24`, 'dev', 'eth0');
    ip('-n', host.#beyond, 'link', 'set', 'eth0', 'up');
    host.ip('route', 'add', 'default', 'via', host.outside);
    ip('-n', host.#beyond, 'route', 'add', 'default', 'via', host.address);
    const service = new Conversation(host.#beyond, ['serve', '7000']);
    host.#services.push(service);
    await service.next();
    return host;
  }

  /** One command of iproute2 on the host. */
  ip(...args: readonly string[]): void {
    ip('-n', this.namespace, ...args);
  }

  /** Any program on the host; what it prints. */
  run(command: string, args: readonly string[], input = ''): string {
    return execFileSync('nsenter', [`--net=${namedNamespace(this.namespace).file}`, command, ...args], {
      input,
      encoding: 'utf8',
    });
  }

  /** Every firewall rule of the host, without what they have counted. */
  rules(): string {
    return this.run('nft', ['-s', 'list', 'ruleset']);
  }

  /** A connection from the host itself, or from beyond. */
  async connects(from: 'host' | 'outside', address: string, port: number): Promise<unknown> {
    return tool(from === 'host' ? this.namespace : this.#beyond, 'connect', address, String(port));
  }

  async close(): Promise<void> {
    for (const service of this.#services) await service.close();
    for (const name of [this.namespace, this.#beyond]) ip('netns', 'del', name);
    rmSync(this.#lock, { force: true });
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args);
}
