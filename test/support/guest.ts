// A guest without a machine: a namespace of its own whose eth0 is cabled to the tap that bonami made for it, where
// QEMU would be. Everything that it does is a command of guest.py.
import { randomBytes } from 'node:crypto';
import { execaSync } from 'execa';
import { linkName, macOf } from '../../src/core/link-name.ts';
import { newId, type SecurityGroupId } from '../../src/core/ids.ts';
import type { Ec2Context } from '../../src/ec2/context.ts';
import { allocatePrivateAddress } from '../../src/ec2/network-interfaces/allocate-private-address.ts';
import { removeNetworkInterface } from '../../src/ec2/network-interfaces/remove-network-interface.ts';
import { plugInterface, unplugInterface } from '../../src/ec2/vpcs/network.ts';
import { namedNamespace } from '../../src/host/link/namespace.ts';
import { waitUntil } from '../../src/host/wait-until.ts';
import { instances } from '../../src/store/instances.ts';
import { networkInterfaces, type NetworkInterface } from '../../src/store/network-interfaces.ts';
import type { Subnet } from '../../src/store/vpcs.ts';
import { putTags } from '../../src/store/tags.ts';
import { Conversation, tool } from './guest-tool.ts';
import { placedIn, sampleInstance } from './sample-instance.ts';

export interface Lease {
  readonly address: string;
  readonly netmask: string;
  readonly router: string;
  readonly resolver: string;
  readonly hostname: string;
  readonly domain: string;
  readonly mtu: number;
  readonly server: string;
}

export interface DnsAnswer {
  /** 0 found, 3 no such name, 5 refused. */
  readonly code: number;
  readonly records: readonly string[];
}

export interface GuestOptions {
  readonly subnet: Subnet;
  readonly groups: readonly SecurityGroupId[];
  readonly address?: string;
  readonly ipv6?: string;
  /** Its Name tag. */
  readonly name?: string;
  readonly sourceDestCheck?: boolean;
}

export class Guest {
  readonly interface: NetworkInterface;
  readonly #ctx: Ec2Context;
  readonly #namespace = `bonami-guest-${randomBytes(4).toString('hex')}`;
  readonly #open: Conversation[] = [];
  #isClosed = false;

  private constructor(ctx: Ec2Context, networkInterface: NetworkInterface) {
    this.#ctx = ctx;
    this.interface = networkInterface;
  }

  /** Records an instance and plugs its interface as a launch does; it has no address yet. */
  static async plug(ctx: Ec2Context, options: GuestOptions): Promise<Guest> {
    const guest = new Guest(ctx, record(ctx, options));
    await plugInterface(ctx, guest.interface);
    await guest.#cable();
    return guest;
  }

  /** Plugs a guest and lets it boot as far as having an address. */
  static async boot(ctx: Ec2Context, options: GuestOptions): Promise<Guest> {
    const guest = await Guest.plug(ctx, options);
    await guest.configure();
    return guest;
  }

  get address(): string {
    return this.interface.privateIpAddress;
  }

  get mac(): string {
    return this.interface.macAddress;
  }

  get tap(): string {
    return linkName('eni', this.interface.networkInterfaceId);
  }

  async #cable(): Promise<void> {
    ip('netns', 'add', this.#namespace);
    const cable = new Conversation(this.interface.vpcId, [
      'cable',
      this.tap,
      namedNamespace(this.#namespace).file,
    ]);
    this.#open.push(cable);
    await cable.next();
    ip('-n', this.#namespace, 'link', 'set', 'eth0', 'address', this.mac, 'mtu', '9001', 'up');
  }

  /** Replaces its tap by a link of the kernel's own, for what must be as fast as that. */
  async cableByVeth(): Promise<void> {
    await this.#open.shift()?.close();
    const router = this.interface.vpcId;
    for (const stale of [
      ['-n', this.#namespace, 'link', 'del', 'eth0'],
      ['-n', router, 'link', 'del', this.tap],
    ])
      execaSync('ip', stale, { reject: false });
    ip(
      '-n',
      router,
      'link',
      'add',
      this.tap,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      this.#namespace,
    );
    ip('-n', router, 'link', 'set', this.tap, 'mtu', '9001');
    ip('-n', this.#namespace, 'link', 'set', 'eth0', 'address', this.mac, 'mtu', '9001', 'up');
  }

  async dhcp(...args: readonly string[]): Promise<Lease | null> {
    return (await this.does('dhcp', ...args)) as Lease | null;
  }

  /** Takes whatever address DHCP gives. */
  async configure(): Promise<Lease> {
    const lease = await this.dhcp();
    if (lease === null) throw new Error(`no lease for ${this.mac}`);
    this.ip('addr', 'add', `${lease.address}/${prefixOf(lease.netmask)}`, 'dev', 'eth0');
    this.ip('route', 'add', 'default', 'via', lease.router);
    return lease;
  }

  /** Takes its recorded IPv6 address, and the router that advertises itself. */
  async configure6(): Promise<void> {
    this.run('sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=0', 'net.ipv6.conf.eth0.accept_ra=2');
    for (const address of this.interface.ipv6Addresses)
      this.ip('addr', 'add', `${address}/128`, 'dev', 'eth0', 'nodad');
    const hasRouter = (): true | undefined =>
      execaSync('ip', ['-n', this.#namespace, '-6', 'route', 'show', 'default']).stdout !== '' || undefined;
    if ((await waitUntil(hasRouter, { timeoutMs: 15_000 })) === undefined)
      throw new Error(`no router for ${this.mac}`);
  }

  /** Any command inside. */
  run(...words: readonly string[]): string {
    const { file } = namedNamespace(this.#namespace);
    return execaSync('nsenter', [`--net=${file}`, ...words]).stdout;
  }

  /** One command of iproute2 inside. */
  ip(...args: readonly string[]): void {
    ip('-n', this.#namespace, ...args);
  }

  /** One command of guest.py inside. */
  async does(...args: readonly string[]): Promise<unknown> {
    return tool(this.#namespace, ...args);
  }

  async dns(server: string, name: string, kind = 'A'): Promise<DnsAnswer | null> {
    return (await this.does('dns', server, name, kind)) as DnsAnswer | null;
  }

  async connects(to: string, port: number): Promise<unknown> {
    return this.does('connect', to, String(port));
  }

  async pings(to: string): Promise<unknown> {
    return this.does('ping', to);
  }

  /** Starts a service that ends with the guest, and waits until it is ready. */
  async starts(...args: readonly string[]): Promise<Conversation> {
    const conversation = new Conversation(this.#namespace, args);
    this.#open.push(conversation);
    await conversation.next();
    return conversation;
  }

  /** Pulls the plug as a termination does, and removes everything of it. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all(this.#open.splice(0).map((each) => each.close()));
    await unplugInterface(this.#ctx, this.interface);
    const { attachment } = this.interface;
    removeNetworkInterface(this.#ctx.db, this.interface);
    if (attachment) instances.remove(this.#ctx.db, attachment.instanceId);
    ip('netns', 'del', this.#namespace);
  }
}

function ip(...args: readonly string[]): void {
  execaSync('ip', args);
}

function prefixOf(netmask: string): number {
  return netmask
    .split('.')
    .map((part) => Number(part).toString(2).replaceAll('0', '').length)
    .reduce((sum, each) => sum + each, 0);
}

/** The records of a running instance with one interface, without image or volumes: the network needs no more. */
function record(
  ctx: Ec2Context,
  { subnet, groups, address, ipv6, name, sourceDestCheck = true }: GuestOptions,
): NetworkInterface {
  const { vpcId, subnetId } = subnet;
  const [instanceId, networkInterfaceId] = [newId('instance'), newId('networkInterface')];
  const now = ctx.now().toISOString();
  const instance = sampleInstance({
    ...placedIn(subnet),
    instanceId,
    launchTime: now,
    stateChanged: now,
  });
  const networkInterface: NetworkInterface = {
    networkInterfaceId,
    vpcId,
    subnetId,
    interfaceType: 'interface',
    description: '',
    privateIpAddress: allocatePrivateAddress(ctx.db, subnet, address),
    secondaryPrivateIpAddresses: [],
    ipv6Addresses: ipv6 === undefined ? [] : [ipv6],
    macAddress: macOf(networkInterfaceId),
    sourceDestCheck,
    securityGroupIds: [...groups],
    attachment: {
      attachmentId: newId('networkInterfaceAttachment'),
      instanceId,
      deviceIndex: 0,
      attachTime: now,
      deleteOnTermination: true,
    },
  };
  instances.insert(ctx.db, instance);
  if (name !== undefined) putTags(ctx.db, instanceId, { Name: name });
  networkInterfaces.insert(ctx.db, networkInterface);
  return networkInterface;
}
