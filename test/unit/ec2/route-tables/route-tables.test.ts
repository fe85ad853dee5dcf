import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Route } from '@aws-sdk/client-ec2';
import { newId, type SubnetId, type VpcId } from '../../../../src/core/ids.ts';
import { attachInternetGateway } from '../../../../src/ec2/internet-gateways/attach-internet-gateway.ts';
import { createInternetGateway } from '../../../../src/ec2/internet-gateways/create-internet-gateway.ts';
import { detachInternetGateway } from '../../../../src/ec2/internet-gateways/detach-internet-gateway.ts';
import { createNatGateway } from '../../../../src/ec2/nat-gateways/create-nat-gateway.ts';
import { deleteNatGateway } from '../../../../src/ec2/nat-gateways/delete-nat-gateway.ts';
import { associateRouteTable } from '../../../../src/ec2/route-tables/associate-route-table.ts';
import { createRouteTable } from '../../../../src/ec2/route-tables/create-route-table.ts';
import { createRoute } from '../../../../src/ec2/route-tables/create-route.ts';
import { deleteRouteTable } from '../../../../src/ec2/route-tables/delete-route-table.ts';
import { deleteRoute } from '../../../../src/ec2/route-tables/delete-route.ts';
import { describeRouteTables } from '../../../../src/ec2/route-tables/describe-route-tables.ts';
import { disassociateRouteTable } from '../../../../src/ec2/route-tables/disassociate-route-table.ts';
import { replaceRouteTableAssociation } from '../../../../src/ec2/route-tables/replace-route-table-association.ts';
import { replaceRoute } from '../../../../src/ec2/route-tables/replace-route.ts';
import { acceptVpcPeeringConnection } from '../../../../src/ec2/vpc-peering-connections/accept-vpc-peering-connection.ts';
import { createVpcPeeringConnection } from '../../../../src/ec2/vpc-peering-connections/create-vpc-peering-connection.ts';
import { deleteVpcPeeringConnection } from '../../../../src/ec2/vpc-peering-connections/delete-vpc-peering-connection.ts';
import { instances } from '../../../../src/store/instances.ts';
import { networkInterfaces } from '../../../../src/store/network-interfaces.ts';
import { NetworkRecords, refusal } from '../../../support/network-records.ts';

let net: NetworkRecords;
let vpcId: VpcId;
let subnetId: SubnetId;
let RouteTableId: string;
beforeEach(async () => {
  net = new NetworkRecords();
  vpcId = await net.vpc('10.0.0.0/16', { ipv6: true });
  subnetId = await net.subnet(vpcId);
  RouteTableId = createRouteTable(net.ctx, { VpcId: vpcId }).RouteTable?.RouteTableId ?? '';
});
afterEach(() => net[Symbol.dispose]());

async function gateway(of: VpcId = vpcId): Promise<string> {
  const InternetGatewayId = createInternetGateway(net.ctx, {}).InternetGateway?.InternetGatewayId ?? '';
  await attachInternetGateway(net.ctx, { InternetGatewayId, VpcId: of });
  return InternetGatewayId;
}

async function nat(): Promise<string> {
  const { allocationId } = net.address('198.51.100.7');
  const { NatGateway } = await createNatGateway(net.ctx, { SubnetId: subnetId, AllocationId: allocationId });
  return NatGateway?.NatGatewayId ?? '';
}

async function peering(): Promise<string> {
  const PeerVpcId = await net.vpc('10.1.0.0/16');
  const { VpcPeeringConnection } = createVpcPeeringConnection(net.ctx, { VpcId: vpcId, PeerVpcId });
  return VpcPeeringConnection?.VpcPeeringConnectionId ?? '';
}

/** The routes that are not local. */
async function routes(): Promise<readonly Route[]> {
  const { RouteTables } = await describeRouteTables(net.ctx, { RouteTableIds: [RouteTableId] });
  return (RouteTables?.[0]?.Routes ?? []).filter(({ GatewayId }) => GatewayId !== 'local');
}

describe('destinations', () => {
  test('are kept in their canonical form, in which they are unique', async () => {
    const GatewayId = await gateway();
    await createRoute(net.ctx, { RouteTableId, DestinationCidrBlock: '100.68.0.18/18', GatewayId });
    await createRoute(net.ctx, { RouteTableId, DestinationIpv6CidrBlock: '2001:DB8:0::1/32', GatewayId });
    expect(await routes()).toMatchObject([
      { DestinationCidrBlock: '100.68.0.0/18', GatewayId, Origin: 'CreateRoute', State: 'active' },
      { DestinationIpv6CidrBlock: '2001:db8::/32', GatewayId },
    ]);
    await expect(
      createRoute(net.ctx, { RouteTableId, DestinationCidrBlock: '100.68.0.0/18', GatewayId }),
    ).rejects.toThrow(refusal('RouteAlreadyExists', 'The route identified by 100.68.0.0/18 already exists.'));
  });

  test('within the VPC are refused', async () => {
    const GatewayId = await gateway();
    for (const block of ['10.0.0.0/16', '10.0.3.0/24', '10.0.0.1/32'])
      await expect(
        createRoute(net.ctx, { RouteTableId, DestinationCidrBlock: block, GatewayId }),
      ).rejects.toThrow(
        refusal(
          'InvalidParameterValue',
          `${block} is equal to or more specific than one of this VPC's CIDR blocks`,
        ),
      );
    await expect(
      createRoute(net.ctx, { RouteTableId, DestinationIpv6CidrBlock: net.ipv6Block(vpcId), GatewayId }),
    ).rejects.toThrow(refusal('InvalidParameterValue', 'equal to or more specific'));
    await createRoute(net.ctx, { RouteTableId, DestinationCidrBlock: '10.0.0.0/8', GatewayId });
  });

  test.each([
    [{ DestinationCidrBlock: '169.254.169.254/32' }, 'InvalidParameterValue'],
    [{ DestinationIpv6CidrBlock: 'fd00:ec2::254/128' }, 'InvalidParameterValue'],
    [{ DestinationCidrBlock: 'everywhere' }, 'InvalidParameterValue'],
    [{ DestinationCidrBlock: '::/0' }, 'InvalidParameterValue'],
    [{ DestinationIpv6CidrBlock: '0.0.0.0/0' }, 'InvalidParameterValue'],
    [{ DestinationCidrBlock: '0.0.0.0/0', DestinationIpv6CidrBlock: '::/0' }, 'InvalidParameterCombination'],
    [{ DestinationPrefixListId: 'pl-1' }, 'UnsupportedOperation'],
    [{}, 'MissingParameter'],
  ])('%j answers %s', async (destination, code) => {
    const GatewayId = await gateway();
    await expect(createRoute(net.ctx, { RouteTableId, GatewayId, ...destination })).rejects.toThrow(
      refusal(code),
    );
    expect(await routes()).toEqual([]);
  });
});

describe('targets', () => {
  const add = async (target: object, DestinationCidrBlock = '0.0.0.0/0'): Promise<unknown> =>
    createRoute(net.ctx, { RouteTableId, DestinationCidrBlock, ...target });

  test('an internet gateway leads out until it is detached', async () => {
    const GatewayId = await gateway();
    await add({ GatewayId });
    expect(await routes()).toMatchObject([{ GatewayId, State: 'active' }]);
    await detachInternetGateway(net.ctx, { InternetGatewayId: GatewayId, VpcId: vpcId });
    expect(await routes()).toMatchObject([{ GatewayId, State: 'blackhole' }]);
    await attachInternetGateway(net.ctx, {
      InternetGatewayId: GatewayId,
      VpcId: await net.vpc('10.7.0.0/16'),
    });
    expect(await routes()).toMatchObject([{ State: 'blackhole' }]);
  });

  test('a NAT gateway leads out until it is deleted, for IPv4', async () => {
    await gateway();
    const NatGatewayId = await nat();
    await add({ NatGatewayId });
    expect(await routes()).toMatchObject([{ NatGatewayId, State: 'active' }]);
    await expect(
      createRoute(net.ctx, { RouteTableId, DestinationIpv6CidrBlock: '::/0', NatGatewayId }),
    ).rejects.toThrow(refusal('InvalidParameterValue', 'IPv4 only'));
    await deleteNatGateway(net.ctx, { NatGatewayId });
    expect(await routes()).toMatchObject([{ NatGatewayId, State: 'blackhole' }]);
  });

  test('a peering leads across from its acceptance to its end', async () => {
    const VpcPeeringConnectionId = await peering();
    await add({ VpcPeeringConnectionId }, '10.1.0.0/16');
    expect(await routes()).toMatchObject([{ VpcPeeringConnectionId, State: 'blackhole' }]);
    await acceptVpcPeeringConnection(net.ctx, { VpcPeeringConnectionId });
    expect(await routes()).toMatchObject([{ State: 'active' }]);
    await deleteVpcPeeringConnection(net.ctx, { VpcPeeringConnectionId });
    expect(await routes()).toMatchObject([{ VpcPeeringConnectionId, State: 'blackhole' }]);
  });

  test('an instance is its only interface, which leads on while it runs', async () => {
    const { instance, networkInterface } = net.instance(subnetId);
    const { networkInterfaceId: NetworkInterfaceId } = networkInterface;
    const InstanceId = instance.instanceId;
    await add({ InstanceId });
    expect(await routes()).toMatchObject([
      { NetworkInterfaceId, InstanceId, InstanceOwnerId: '000000000000', State: 'active' },
    ]);
    instances.update(net.db, { ...instance, state: 'stopped' });
    expect(await routes()).toMatchObject([{ NetworkInterfaceId, InstanceId, State: 'blackhole' }]);
    networkInterfaces.update(net.db, { ...networkInterface, attachment: null });
    const [detached] = await routes();
    expect(detached).toMatchObject({ NetworkInterfaceId, State: 'blackhole' });
    expect(detached).not.toHaveProperty('InstanceId');
    networkInterfaces.remove(net.db, NetworkInterfaceId);
    expect(await routes()).toMatchObject([{ NetworkInterfaceId, State: 'blackhole' }]);
  });

  test('an instance with none or several interfaces is no target', async () => {
    const { instance, networkInterface } = net.instance(subnetId);
    const InstanceId = instance.instanceId;
    net.networkInterface(subnetId, { attachment: net.attachment(instance, 1) });
    await expect(add({ InstanceId })).rejects.toThrow(refusal('InvalidInstanceID', 'multiple interfaces'));
    for (const { networkInterfaceId } of networkInterfaces.list(net.db))
      networkInterfaces.remove(net.db, networkInterfaceId);
    await expect(add({ InstanceId })).rejects.toThrow(refusal('InvalidInstanceID', 'no interfaces'));
    await expect(add({ NetworkInterfaceId: networkInterface.networkInterfaceId })).rejects.toThrow(
      refusal('InvalidNetworkInterfaceID.NotFound'),
    );
  });

  test("a NAT gateway's interface is none", async () => {
    await gateway();
    await nat();
    const [own] = networkInterfaces.list(net.db);
    await expect(add({ NetworkInterfaceId: own?.networkInterfaceId })).rejects.toThrow(
      refusal('InvalidParameterValue', 'belongs to a NAT gateway'),
    );
  });

  test('of another VPC are refused', async () => {
    const other = await net.vpc('10.2.0.0/16');
    const elsewhere = net.networkInterface(await net.subnet(other, '10.2.0.0/24')).networkInterfaceId;
    const GatewayId = await gateway(other);
    const detached = createInternetGateway(net.ctx, {}).InternetGateway?.InternetGatewayId;
    const VpcPeeringConnectionId = createVpcPeeringConnection(net.ctx, {
      VpcId: other,
      PeerVpcId: await net.vpc('10.3.0.0/16'),
    }).VpcPeeringConnection?.VpcPeeringConnectionId;
    for (const target of [
      { GatewayId },
      { GatewayId: detached },
      { NetworkInterfaceId: elsewhere },
      { VpcPeeringConnectionId },
    ])
      await expect(add(target)).rejects.toThrow(
        refusal('InvalidParameterValue', 'belong to different networks'),
      );
  });

  test.each([
    [{}, 'InvalidParameterCombination'],
    [{ GatewayId: newId('internetGateway'), InstanceId: newId('instance') }, 'InvalidParameterCombination'],
    [{ TransitGatewayId: 'tgw-1' }, 'UnsupportedOperation'],
    [{ GatewayId: newId('internetGateway') }, 'InvalidInternetGatewayID.NotFound'],
    [{ NatGatewayId: newId('natGateway') }, 'NatGatewayNotFound'],
    [{ InstanceId: newId('instance') }, 'InvalidInstanceID.NotFound'],
    [{ VpcPeeringConnectionId: newId('vpcPeeringConnection') }, 'InvalidVpcPeeringConnectionID.NotFound'],
    [{ RouteTableId: newId('routeTable'), GatewayId: 'igw-1' }, 'InvalidRouteTableID.NotFound'],
  ])('%j answers %s', async (target, code) => {
    await expect(add(target)).rejects.toThrow(refusal(code));
  });
});

describe('a route', () => {
  test('is replaced and deleted where there is one', async () => {
    const GatewayId = await gateway();
    const { networkInterfaceId } = net.networkInterface(subnetId);
    const route = { RouteTableId, DestinationCidrBlock: '0.0.0.0/0' };
    await expect(replaceRoute(net.ctx, { ...route, GatewayId })).rejects.toThrow(
      refusal('InvalidParameterValue', "There is no route defined for '0.0.0.0/0' in the route table."),
    );
    await expect(deleteRoute(net.ctx, route)).rejects.toThrow(
      refusal('InvalidRoute.NotFound', `0.0.0.0/0 in route table ${RouteTableId}`),
    );
    await createRoute(net.ctx, { ...route, GatewayId });
    await replaceRoute(net.ctx, { ...route, NetworkInterfaceId: networkInterfaceId });
    expect(await routes()).toMatchObject([{ NetworkInterfaceId: networkInterfaceId, State: 'blackhole' }]);
    await deleteRoute(net.ctx, { ...route, DestinationCidrBlock: '1.2.3.4/0' });
    expect(await routes()).toEqual([]);
  });

  test('that is local stays', async () => {
    await expect(deleteRoute(net.ctx, { RouteTableId, DestinationCidrBlock: '10.0.0.0/16' })).rejects.toThrow(
      refusal('InvalidParameterValue', 'cannot remove local route 10.0.0.0/16'),
    );
    await expect(
      replaceRoute(net.ctx, { RouteTableId, DestinationCidrBlock: '10.0.0.0/16', LocalTarget: true }),
    ).rejects.toThrow(refusal('UnsupportedOperation'));
  });

  test('is only tried by a dry run', async () => {
    const request = { RouteTableId, DestinationCidrBlock: '0.0.0.0/0', GatewayId: await gateway() };
    await expect(createRoute(net.ctx, { ...request, DryRun: true })).rejects.toThrow(
      refusal('DryRunOperation'),
    );
    expect(await routes()).toEqual([]);
  });
});

describe('associations', () => {
  const associationsOf = async (id: string): Promise<unknown> =>
    (await describeRouteTables(net.ctx, { RouteTableIds: [id] })).RouteTables?.[0]?.Associations;

  test('give a subnet a table of its own, and take it away', async () => {
    const { AssociationId } = await associateRouteTable(net.ctx, { RouteTableId, SubnetId: subnetId });
    expect(await associationsOf(RouteTableId)).toEqual([
      {
        Main: false,
        RouteTableAssociationId: AssociationId,
        RouteTableId,
        SubnetId: subnetId,
        AssociationState: { State: 'associated' },
      },
    ]);
    expect(await associateRouteTable(net.ctx, { RouteTableId, SubnetId: subnetId })).toMatchObject({
      AssociationId,
    });
    await disassociateRouteTable(net.ctx, { AssociationId });
    expect(await associationsOf(RouteTableId)).toEqual([]);
    await expect(disassociateRouteTable(net.ctx, { AssociationId })).rejects.toThrow(
      refusal('InvalidAssociationID.NotFound'),
    );
  });

  test('are one a subnet, and replaced by another', async () => {
    const { AssociationId } = await associateRouteTable(net.ctx, { RouteTableId, SubnetId: subnetId });
    const second = createRouteTable(net.ctx, { VpcId: vpcId }).RouteTable?.RouteTableId ?? '';
    await expect(associateRouteTable(net.ctx, { RouteTableId: second, SubnetId: subnetId })).rejects.toThrow(
      refusal('Resource.AlreadyAssociated', 'conflicts with an existing association'),
    );
    const { NewAssociationId } = await replaceRouteTableAssociation(net.ctx, {
      AssociationId,
      RouteTableId: second,
    });
    expect(NewAssociationId).not.toBe(AssociationId);
    expect(await associationsOf(second)).toMatchObject([{ RouteTableAssociationId: NewAssociationId }]);
    expect(await associationsOf(RouteTableId)).toEqual([]);
  });

  test('make another table the main one', async () => {
    const main = net.vpcRecord(vpcId).mainRouteTable;
    await expect(disassociateRouteTable(net.ctx, { AssociationId: main.associationId })).rejects.toThrow(
      refusal('InvalidParameterValue', 'cannot disassociate the main route table association'),
    );
    const { NewAssociationId } = await replaceRouteTableAssociation(net.ctx, {
      AssociationId: main.associationId,
      RouteTableId,
    });
    expect(await associationsOf(RouteTableId)).toMatchObject([
      { Main: true, RouteTableAssociationId: NewAssociationId },
    ]);
    expect(await associationsOf(main.routeTableId)).toEqual([]);
    deleteRouteTable(net.ctx, { RouteTableId: main.routeTableId });
  });

  test('are made within a VPC', async () => {
    const other = await net.vpc('10.2.0.0/16');
    const foreign = createRouteTable(net.ctx, { VpcId: other }).RouteTable?.RouteTableId ?? '';
    const { AssociationId } = await associateRouteTable(net.ctx, { RouteTableId, SubnetId: subnetId });
    const different = refusal('InvalidParameterValue', 'belong to different networks');
    for (const id of [AssociationId, net.vpcRecord(vpcId).mainRouteTable.associationId])
      await expect(
        replaceRouteTableAssociation(net.ctx, { AssociationId: id, RouteTableId: foreign }),
      ).rejects.toThrow(different);
    const second = await net.subnet(vpcId, '10.0.2.0/24');
    await expect(associateRouteTable(net.ctx, { RouteTableId: foreign, SubnetId: second })).rejects.toThrow(
      different,
    );
  });

  test('need a subnet', async () => {
    await expect(associateRouteTable(net.ctx, { RouteTableId })).rejects.toThrow(refusal('MissingParameter'));
    await expect(associateRouteTable(net.ctx, { RouteTableId, GatewayId: 'igw-1' })).rejects.toThrow(
      refusal('UnsupportedOperation'),
    );
  });
});

describe('a route table', () => {
  test('is deleted when nothing uses it', async () => {
    const main = net.vpcRecord(vpcId).mainRouteTable.routeTableId;
    expect(() => deleteRouteTable(net.ctx, { RouteTableId: main })).toThrow(
      refusal('DependencyViolation', `The routeTable '${main}' has dependencies and cannot be deleted`),
    );
    const { AssociationId } = await associateRouteTable(net.ctx, { RouteTableId, SubnetId: subnetId });
    expect(() => deleteRouteTable(net.ctx, { RouteTableId })).toThrow(
      refusal('DependencyViolation', subnetId),
    );
    await disassociateRouteTable(net.ctx, { AssociationId });
    deleteRouteTable(net.ctx, { RouteTableId });
    expect(() => deleteRouteTable(net.ctx, { RouteTableId })).toThrow(
      refusal('InvalidRouteTableID.NotFound'),
    );
  });

  test('is found by what is in it', async () => {
    const GatewayId = await gateway();
    await createRoute(net.ctx, { RouteTableId, DestinationCidrBlock: '0.0.0.0/0', GatewayId });
    const { AssociationId = '' } = await associateRouteTable(net.ctx, { RouteTableId, SubnetId: subnetId });
    for (const [Name, value] of [
      ['association.route-table-association-id', AssociationId],
      ['association.subnet-id', subnetId],
      ['route.destination-cidr-block', '0.0.0.0/0'],
      ['route.gateway-id', GatewayId],
      ['route.origin', 'CreateRoute'],
      ['route-table-id', RouteTableId],
    ] as const) {
      const { RouteTables = [] } = await describeRouteTables(net.ctx, {
        Filters: [
          { Name, Values: [value] },
          { Name: 'vpc-id', Values: [vpcId] },
        ],
      });
      expect({ [Name]: RouteTables.map((table) => table.RouteTableId) }).toEqual({ [Name]: [RouteTableId] });
    }
    const { RouteTables = [] } = await describeRouteTables(net.ctx, {
      Filters: [
        { Name: 'association.main', Values: ['true'] },
        { Name: 'vpc-id', Values: [vpcId] },
      ],
    });
    expect(RouteTables.map((table) => table.RouteTableId)).toEqual([
      net.vpcRecord(vpcId).mainRouteTable.routeTableId,
    ]);
  });

  test('shows the local routes of both families', async () => {
    const { RouteTables } = await describeRouteTables(net.ctx, { RouteTableIds: [RouteTableId] });
    expect(RouteTables?.[0]?.Routes).toMatchObject([
      { DestinationCidrBlock: '10.0.0.0/16', GatewayId: 'local' },
      { DestinationIpv6CidrBlock: net.vpcRecord(vpcId).ipv6?.cidrBlock, GatewayId: 'local' },
    ]);
  });
});
