// A default VPC on a home of its own, without the agent: what the network tests plug their guests into.
import type { SecurityGroupId } from '../../src/core/ids.ts';
import { createSecurityGroup } from '../../src/ec2/security-groups/create-security-group.ts';
import { requireDefaultVpc } from '../../src/ec2/vpcs/default-vpc.ts';
import { ensureVpcNetwork, removeVpcNetwork } from '../../src/ec2/vpcs/network.ts';
import { securityGroups } from '../../src/store/security-groups.ts';
import { subnets, type Subnet, type Vpc } from '../../src/store/vpcs.ts';
import { testContext, type TestContext } from './context.ts';
import { Guest, type GuestOptions } from './guest.ts';

export class PrivateCloud {
  readonly home: TestContext;
  readonly vpc: Vpc;
  readonly subnets: readonly Subnet[];
  readonly defaultGroup: SecurityGroupId;
  static readonly #open = new Set<PrivateCloud>();
  readonly #guests: Guest[] = [];

  private constructor(home: TestContext, vpc: Vpc, subnets: readonly Subnet[]) {
    this.home = home;
    this.vpc = vpc;
    this.subnets = subnets;
    const [group] = securityGroups.listBy(home.ctx.db, 'vpc_id', vpc.vpcId);
    if (group === undefined) throw new Error('the default VPC has no security group');
    this.defaultGroup = group.groupId;
    PrivateCloud.#open.add(this);
  }

  /** Records the VPC only; its addresses are free on this host at that moment. */
  static async record({ internet = false } = {}): Promise<PrivateCloud> {
    const before = process.env['BONAMI_INTERNET'];
    process.env['BONAMI_INTERNET'] = internet ? 'on' : 'off';
    const home = testContext();
    try {
      const vpc = await requireDefaultVpc(home.ctx);
      return new PrivateCloud(home, vpc, subnets.listBy(home.ctx.db, 'vpc_id', vpc.vpcId));
    } finally {
      if (before === undefined) delete process.env['BONAMI_INTERNET'];
      else process.env['BONAMI_INTERNET'] = before;
    }
  }

  static async open(options: { readonly internet?: boolean } = {}): Promise<PrivateCloud> {
    const cloud = await PrivateCloud.record(options);
    await ensureVpcNetwork(cloud.home.ctx, cloud.vpc.vpcId);
    return cloud;
  }

  subnet(index = 0): Subnet {
    const subnet = this.subnets[index];
    if (subnet === undefined) throw new Error(`there is no subnet ${index}`);
    return subnet;
  }

  /** A guest with an address, in the first subnet and the default group unless told otherwise. */
  async boot(options: Partial<GuestOptions> = {}): Promise<Guest> {
    const guest = await this.plug(options);
    await guest.configure();
    return guest;
  }

  async plug(options: Partial<GuestOptions> = {}): Promise<Guest> {
    const guest = await Guest.plug(this.home.ctx, {
      subnet: this.subnet(),
      groups: [this.defaultGroup],
      ...options,
    });
    this.#guests.push(guest);
    return guest;
  }

  /** A new security group: nothing in, everything out. */
  async group(name: string): Promise<SecurityGroupId> {
    const { GroupId } = await createSecurityGroup(this.home.ctx, {
      GroupName: name,
      Description: name,
      VpcId: this.vpc.vpcId,
    });
    return GroupId as SecurityGroupId;
  }

  async unplug(guest: Guest): Promise<void> {
    this.#guests.splice(this.#guests.indexOf(guest), 1);
    await guest.close();
  }

  async unplugAll(): Promise<void> {
    for (const guest of this.#guests.splice(0)) await guest.close();
  }

  async close(): Promise<void> {
    await this.unplugAll();
    await this.removeNetwork();
    this.home.cleanup();
    PrivateCloud.#open.delete(this);
  }

  /** For the end of a test file: a test that failed has not closed its own. */
  static async closeAll(): Promise<void> {
    for (const cloud of PrivateCloud.#open) await cloud.close();
  }

  async removeNetwork(): Promise<void> {
    await removeVpcNetwork(this.home.ctx, this.vpc.vpcId, { unless: () => false, before: async () => {} });
  }
}
