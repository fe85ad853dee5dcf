// Whatever is made, changed and deleted in whatever order: an action does all of what it says or nothing, and the
// records agree with each other after each.
import { expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import { blocksOverlap, canonicalBlock } from '../../../../src/core/ip.ts';
import { associateDhcpOptions } from '../../../../src/ec2/dhcp-options/associate-dhcp-options.ts';
import { createDhcpOptions } from '../../../../src/ec2/dhcp-options/create-dhcp-options.ts';
import { deleteDhcpOptions } from '../../../../src/ec2/dhcp-options/delete-dhcp-options.ts';
import { attachInternetGateway } from '../../../../src/ec2/internet-gateways/attach-internet-gateway.ts';
import { createInternetGateway } from '../../../../src/ec2/internet-gateways/create-internet-gateway.ts';
import { deleteInternetGateway } from '../../../../src/ec2/internet-gateways/delete-internet-gateway.ts';
import { detachInternetGateway } from '../../../../src/ec2/internet-gateways/detach-internet-gateway.ts';
import { createNatGateway } from '../../../../src/ec2/nat-gateways/create-nat-gateway.ts';
import { deleteNatGateway } from '../../../../src/ec2/nat-gateways/delete-nat-gateway.ts';
import { createNetworkAcl } from '../../../../src/ec2/network-acls/create-network-acl.ts';
import { deleteNetworkAcl } from '../../../../src/ec2/network-acls/delete-network-acl.ts';
import { describeNetworkAcls } from '../../../../src/ec2/network-acls/describe-network-acls.ts';
import { replaceNetworkAclAssociation } from '../../../../src/ec2/network-acls/replace-network-acl-association.ts';
import { associateRouteTable } from '../../../../src/ec2/route-tables/associate-route-table.ts';
import { createRouteTable } from '../../../../src/ec2/route-tables/create-route-table.ts';
import { createRoute } from '../../../../src/ec2/route-tables/create-route.ts';
import { deleteRouteTable } from '../../../../src/ec2/route-tables/delete-route-table.ts';
import { deleteRoute } from '../../../../src/ec2/route-tables/delete-route.ts';
import { describeRouteTables } from '../../../../src/ec2/route-tables/describe-route-tables.ts';
import { disassociateRouteTable } from '../../../../src/ec2/route-tables/disassociate-route-table.ts';
import { replaceRouteTableAssociation } from '../../../../src/ec2/route-tables/replace-route-table-association.ts';
import { createSubnet } from '../../../../src/ec2/subnets/create-subnet.ts';
import { deleteSubnet } from '../../../../src/ec2/subnets/delete-subnet.ts';
import { createTags } from '../../../../src/ec2/tags/create-tags.ts';
import { acceptVpcPeeringConnection } from '../../../../src/ec2/vpc-peering-connections/accept-vpc-peering-connection.ts';
import { createVpcPeeringConnection } from '../../../../src/ec2/vpc-peering-connections/create-vpc-peering-connection.ts';
import { deleteVpcPeeringConnection } from '../../../../src/ec2/vpc-peering-connections/delete-vpc-peering-connection.ts';
import { associateVpcCidrBlock } from '../../../../src/ec2/vpcs/associate-vpc-cidr-block.ts';
import { createVpc } from '../../../../src/ec2/vpcs/create-vpc.ts';
import { deleteVpc } from '../../../../src/ec2/vpcs/delete-vpc.ts';
import { describeVpcs } from '../../../../src/ec2/vpcs/describe-vpcs.ts';
import { disassociateVpcCidrBlock } from '../../../../src/ec2/vpcs/disassociate-vpc-cidr-block.ts';
import { addresses } from '../../../../src/store/addresses.ts';
import type { Db } from '../../../../src/store/database.ts';
import { internetGateways, natGateways, vpcPeeringConnections } from '../../../../src/store/gateways.ts';
import { networkAcls } from '../../../../src/store/network-acls.ts';
import { networkInterfaces } from '../../../../src/store/network-interfaces.ts';
import { routeTables } from '../../../../src/store/route-tables.ts';
import { securityGroups } from '../../../../src/store/security-groups.ts';
import { dhcpOptionSets, subnets, vpcs } from '../../../../src/store/vpcs.ts';
import { NetworkRecords } from '../../../support/network-records.ts';
import { generator } from '../../../support/random.ts';

const STEPS = 150;

test.each([1, 2, 3])('records agree after every step of sequence %d', async (seed) => {
  using net = new NetworkRecords();
  for (let index = 0; index < 3; index++) net.address(`198.51.100.${index}`);
  const walk = new Walk(net, generator(seed));
  let done = 0;
  for (let step = 0; step < STEPS; step++) {
    const before = dump(net.db);
    const refused = await walk.step();
    if (refused === undefined) done++;
    // What is refused is refused by EC2, and changes nothing.
    expect(refused?.name ?? 'Ec2Error').toBe('Ec2Error');
    expect(refused === undefined ? before : dump(net.db)).toEqual(before);
    expectAgreement(net.db);
  }
  // A walk of refusals would prove nothing.
  expect(done).toBeGreaterThan(STEPS / 5);
  expect((await describeVpcs(net.ctx, {})).Vpcs).toHaveLength(vpcs.list(net.db).length);
  expect((await describeRouteTables(net.ctx, {})).RouteTables).toHaveLength(routeTables.list(net.db).length);
  expect((await describeNetworkAcls(net.ctx, {})).NetworkAcls).toHaveLength(networkAcls.list(net.db).length);
});

class Walk {
  readonly #net: NetworkRecords;
  readonly #random: () => number;

  constructor(net: NetworkRecords, random: () => number) {
    this.#net = net;
    this.#random = random;
  }

  /** One action with arguments at random; what it was refused with. */
  async step(): Promise<Error | undefined> {
    const actions = this.#actions();
    const action = actions[Math.floor(this.#random() * actions.length)];
    try {
      await action?.();
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  #one<R>(all: readonly R[]): R | undefined {
    return all[Math.floor(this.#random() * all.length)];
  }

  #vpc(): string {
    return this.#one(vpcs.list(this.#net.db))?.vpcId ?? newId('vpc');
  }

  #subnet(): string {
    return this.#one(subnets.list(this.#net.db))?.subnetId ?? newId('subnet');
  }

  #table(): string {
    return this.#one(routeTables.list(this.#net.db))?.routeTableId ?? newId('routeTable');
  }

  #acl(): string {
    return this.#one(networkAcls.list(this.#net.db))?.networkAclId ?? newId('networkAcl');
  }

  #gateway(): string {
    return this.#one(internetGateways.list(this.#net.db))?.internetGatewayId ?? newId('internetGateway');
  }

  #peering(): string {
    const found = this.#one(vpcPeeringConnections.list(this.#net.db));
    return found?.vpcPeeringConnectionId ?? newId('vpcPeeringConnection');
  }

  #dhcp(): string {
    return this.#one(dhcpOptionSets.list(this.#net.db))?.dhcpOptionsId ?? 'default';
  }

  #nat(): string {
    return this.#one(natGateways.list(this.#net.db))?.natGatewayId ?? newId('natGateway');
  }

  #destination(): string {
    return this.#one(['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '192.168.9.7/20']) ?? '';
  }

  #target(): object {
    return (
      this.#one([
        { GatewayId: this.#gateway() },
        { NatGatewayId: this.#nat() },
        { VpcPeeringConnectionId: this.#peering() },
      ]) ?? {}
    );
  }

  #actions(): readonly (() => unknown)[] {
    const { ctx, db } = this.#net;
    const number = (below: number): number => Math.floor(this.#random() * below);
    const associations = [
      ...subnets.list(db).flatMap(({ routeTable }) => routeTable?.associationId ?? []),
      ...vpcs.list(db).map(({ mainRouteTable }) => mainRouteTable.associationId),
    ];
    const aclAssociation = this.#one(subnets.list(db))?.networkAcl.associationId;
    const DhcpConfigurations = [{ Key: 'domain-name', Values: ['lab.example'] }];
    return [
      () =>
        createVpc(ctx, { CidrBlock: `10.${number(4)}.0.0/16`, AmazonProvidedIpv6CidrBlock: number(2) > 0 }),
      () => deleteVpc(ctx, { VpcId: this.#vpc() }),
      () => associateVpcCidrBlock(ctx, { VpcId: this.#vpc(), AmazonProvidedIpv6CidrBlock: true }),
      () => disassociateVpcCidrBlock(ctx, { AssociationId: this.#one(vpcs.list(db))?.ipv6?.associationId }),
      () => createSubnet(ctx, { VpcId: this.#vpc(), CidrBlock: `10.${number(4)}.${number(8)}.0/23` }),
      () => createSubnet(ctx, { VpcId: this.#vpc(), CidrBlock: `10.${number(4)}.${number(8)}.0/24` }),
      () => deleteSubnet(ctx, { SubnetId: this.#subnet() }),
      () => createRouteTable(ctx, { VpcId: this.#vpc() }),
      () => deleteRouteTable(ctx, { RouteTableId: this.#table() }),
      () => associateRouteTable(ctx, { RouteTableId: this.#table(), SubnetId: this.#subnet() }),
      () => disassociateRouteTable(ctx, { AssociationId: this.#one(associations) }),
      () =>
        replaceRouteTableAssociation(ctx, {
          AssociationId: this.#one(associations),
          RouteTableId: this.#table(),
        }),
      () =>
        createRoute(ctx, {
          RouteTableId: this.#table(),
          DestinationCidrBlock: this.#destination(),
          ...this.#target(),
        }),
      () => deleteRoute(ctx, { RouteTableId: this.#table(), DestinationCidrBlock: this.#destination() }),
      () => createInternetGateway(ctx, {}),
      () => attachInternetGateway(ctx, { InternetGatewayId: this.#gateway(), VpcId: this.#vpc() }),
      () => detachInternetGateway(ctx, { InternetGatewayId: this.#gateway(), VpcId: this.#vpc() }),
      () => deleteInternetGateway(ctx, { InternetGatewayId: this.#gateway() }),
      () =>
        createNatGateway(ctx, {
          SubnetId: this.#subnet(),
          AllocationId: this.#one(addresses.list(db))?.allocationId,
        }),
      () => deleteNatGateway(ctx, { NatGatewayId: this.#nat() }),
      () => createNetworkAcl(ctx, { VpcId: this.#vpc() }),
      () => deleteNetworkAcl(ctx, { NetworkAclId: this.#acl() }),
      () => replaceNetworkAclAssociation(ctx, { AssociationId: aclAssociation, NetworkAclId: this.#acl() }),
      () => createVpcPeeringConnection(ctx, { VpcId: this.#vpc(), PeerVpcId: this.#vpc() }),
      () => acceptVpcPeeringConnection(ctx, { VpcPeeringConnectionId: this.#peering() }),
      () => deleteVpcPeeringConnection(ctx, { VpcPeeringConnectionId: this.#peering() }),
      () => createDhcpOptions(ctx, { DhcpConfigurations }),
      () => associateDhcpOptions(ctx, { VpcId: this.#vpc(), DhcpOptionsId: this.#dhcp() }),
      () => deleteDhcpOptions(ctx, { DhcpOptionsId: this.#dhcp() }),
      () =>
        createTags(ctx, {
          Resources: [this.#vpc(), this.#table(), this.#nat()],
          Tags: [{ Key: 'step', Value: String(number(9)) }],
        }),
    ];
  }
}

const TABLES = {
  addresses,
  dhcpOptionSets,
  internetGateways,
  natGateways,
  networkAcls,
  networkInterfaces,
  routeTables,
  securityGroups,
  subnets,
  vpcPeeringConnections,
  vpcs,
} as const;

function dump(db: Db): unknown {
  return Object.entries(TABLES).map(([name, table]) => [name, table.list(db)]);
}

function expectAgreement(db: Db): void {
  expect(db.prepare('PRAGMA foreign_key_check').all()).toEqual([]);
  for (const table of Object.values(TABLES)) expect(table.broken(db)).toEqual([]);
  for (const { vpcId, mainRouteTable } of vpcs.list(db)) {
    expect(routeTables.get(db, mainRouteTable.routeTableId)?.vpcId).toBe(vpcId);
    expect(networkAcls.listBy(db, 'default_of', vpcId)).toHaveLength(1);
    expect(securityGroups.listBy(db, 'vpc_id', vpcId).map(({ groupName }) => groupName)).toEqual(['default']);
    const blocks = subnets.listBy(db, 'vpc_id', vpcId).map(({ cidrBlock }) => cidrBlock);
    for (const [index, block] of blocks.entries())
      expect(blocks.slice(index + 1).filter((other) => blocksOverlap(block, other))).toEqual([]);
  }
  for (const { vpcId, routeTable, networkAcl } of subnets.list(db)) {
    expect(networkAcls.get(db, networkAcl.networkAclId)?.vpcId).toBe(vpcId);
    const own = routeTable === null ? { vpcId } : routeTables.get(db, routeTable.routeTableId);
    expect(own?.vpcId).toBe(vpcId);
  }
  for (const { routes } of routeTables.list(db)) {
    const destinations = routes.map(({ destination }) => destination);
    expect(destinations.map(canonicalBlock)).toEqual(destinations);
    expect(new Set(destinations).size).toBe(destinations.length);
  }
  expectNatGatewaysWhole(db);
  const ids = new Set(Object.values(TABLES).flatMap((table) => idsOf(db, table)));
  const tagged = db.prepare('SELECT DISTINCT resource_id FROM tags').all() as { resource_id: string }[];
  // No tags outlive their resource.
  for (const { resource_id: id } of tagged) expect(ids).toContain(id);
}

function expectNatGatewaysWhole(db: Db): void {
  const used = natGateways.list(db).map(({ allocationId, networkInterfaceId }) => {
    const each = networkInterfaces.get(db, networkInterfaceId);
    expect(each?.interfaceType).toBe('nat_gateway');
    expect(addresses.get(db, allocationId)?.association).toMatchObject({
      networkInterfaceId,
      privateIpAddress: each?.privateIpAddress,
    });
    return networkInterfaceId;
  });
  expect(networkInterfaces.list(db).map(({ networkInterfaceId }) => networkInterfaceId)).toEqual(used);
  expect(addresses.list(db).filter(({ association }) => association !== null)).toHaveLength(used.length);
}

function idsOf(db: Db, table: { list(db: Db): readonly object[] }): readonly string[] {
  return table.list(db).map((record) => String(Object.values(record)[0]));
}
