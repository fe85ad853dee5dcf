// VPCs of every shape on one home, with guests in place of machines.
import type { RouteTableId, SecurityGroupId, SubnetId, VpcId } from '../../src/core/ids.ts';
import { createInternetGateway } from '../../src/ec2/internet-gateways/create-internet-gateway.ts';
import { attachInternetGateway } from '../../src/ec2/internet-gateways/attach-internet-gateway.ts';
import { associateRouteTable } from '../../src/ec2/route-tables/associate-route-table.ts';
import { createRouteTable } from '../../src/ec2/route-tables/create-route-table.ts';
import { createRoute } from '../../src/ec2/route-tables/create-route.ts';
import { authorizeSecurityGroupIngress } from '../../src/ec2/security-groups/authorize-security-group-ingress.ts';
import { createSecurityGroup } from '../../src/ec2/security-groups/create-security-group.ts';
import { createSubnet } from '../../src/ec2/subnets/create-subnet.ts';
import { createVpc } from '../../src/ec2/vpcs/create-vpc.ts';
import { removeVpcNetwork } from '../../src/ec2/vpcs/network.ts';
import { subnets, vpcs, type Subnet, type Vpc } from '../../src/store/vpcs.ts';
import { testContext, type TestContext, type TestContextOptions } from './context.ts';
import { Guest, type GuestOptions } from './guest.ts';

export interface VpcOptions {
  readonly ipv6?: boolean;
  /** Attaches an internet gateway and gives the main route table a way to it. */
  readonly internet?: boolean;
}

export class World {
  readonly home: TestContext;
  readonly #guests: Guest[] = [];
  static readonly #open = new Set<World>();

  /** `context` replaces parts of the home's, like what its networks stand on. */
  constructor(context: TestContextOptions['context'] = {}) {
    this.home = testContext({ context });
    World.#open.add(this);
  }

  get ctx(): TestContext['ctx'] {
    return this.home.ctx;
  }

  async vpc(cidrBlock: string, { ipv6 = false, internet = false }: VpcOptions = {}): Promise<VpcId> {
    const { Vpc } = await createVpc(this.ctx, {
      CidrBlock: cidrBlock,
      ...(ipv6 ? { AmazonProvidedIpv6CidrBlock: true } : {}),
    });
    const vpcId = Vpc?.VpcId as VpcId;
    if (internet) {
      const gateway = await this.gateway(vpcId);
      await this.route(this.record(vpcId).mainRouteTable.routeTableId, '0.0.0.0/0', { GatewayId: gateway });
    }
    return vpcId;
  }

  record(vpcId: VpcId): Vpc {
    const vpc = vpcs.get(this.ctx.db, vpcId);
    if (vpc === undefined) throw new Error(`there is no ${vpcId}`);
    return vpc;
  }

  async gateway(vpcId: VpcId): Promise<string> {
    const { InternetGateway } = createInternetGateway(this.ctx, {});
    const id = InternetGateway?.InternetGatewayId ?? '';
    await attachInternetGateway(this.ctx, { InternetGatewayId: id, VpcId: vpcId });
    return id;
  }

  async subnet(vpcId: VpcId, cidrBlock: string, ipv6CidrBlock?: string): Promise<Subnet> {
    const { Subnet: made } = await createSubnet(this.ctx, {
      VpcId: vpcId,
      CidrBlock: cidrBlock,
      ...(ipv6CidrBlock === undefined ? {} : { Ipv6CidrBlock: ipv6CidrBlock }),
    });
    const subnet = subnets.get(this.ctx.db, made?.SubnetId as SubnetId);
    if (subnet === undefined) throw new Error('no subnet was made');
    return subnet;
  }

  /** A route table of its own for a subnet, with these routes. */
  async routes(
    { vpcId, subnetId }: Subnet,
    routes: Readonly<Record<string, RouteTarget>>,
  ): Promise<RouteTableId> {
    const { RouteTable } = createRouteTable(this.ctx, { VpcId: vpcId });
    const id = RouteTable?.RouteTableId as RouteTableId;
    await associateRouteTable(this.ctx, { RouteTableId: id, SubnetId: subnetId });
    for (const [destination, target] of Object.entries(routes)) await this.route(id, destination, target);
    return id;
  }

  async route(routeTableId: RouteTableId, destination: string, target: RouteTarget): Promise<void> {
    const key = destination.includes(':') ? 'DestinationIpv6CidrBlock' : 'DestinationCidrBlock';
    await createRoute(this.ctx, { RouteTableId: routeTableId, [key]: destination, ...target });
  }

  /** A group that lets everything in. */
  async openGroup(vpcId: VpcId, name = 'open'): Promise<SecurityGroupId> {
    const { GroupId = '' } = await createSecurityGroup(this.ctx, {
      GroupName: name,
      Description: name,
      VpcId: vpcId,
    });
    await authorizeSecurityGroupIngress(this.ctx, {
      GroupId,
      IpPermissions: [
        { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }], Ipv6Ranges: [{ CidrIpv6: '::/0' }] },
      ],
    });
    return GroupId as SecurityGroupId;
  }

  async boot(options: GuestOptions): Promise<Guest> {
    const guest = await Guest.boot(this.ctx, options);
    this.#guests.push(guest);
    return guest;
  }

  async close(): Promise<void> {
    for (const guest of this.#guests.splice(0)) await guest.close();
    for (const { vpcId } of vpcs.list(this.ctx.db))
      await removeVpcNetwork(this.ctx, vpcId, { unless: () => false, before: async () => {} });
    this.home.cleanup();
    World.#open.delete(this);
  }

  /** For the end of a test file: a test that failed has not closed its own. */
  static async closeAll(): Promise<void> {
    for (const world of World.#open) await world.close();
  }
}

export interface RouteTarget {
  readonly GatewayId?: string;
  readonly NatGatewayId?: string;
  readonly NetworkInterfaceId?: string;
  readonly VpcPeeringConnectionId?: string;
}
