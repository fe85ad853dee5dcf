import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId, type SubnetId, type VpcId } from '../../../../src/core/ids.ts';
import { peersOf, readVpc, requireVpc } from '../../../../src/ec2/vpcs/vpc-records.ts';
import {
  internetGateways,
  natGateways,
  vpcPeeringConnections,
  type VpcPeeringConnection,
} from '../../../../src/store/gateways.ts';
import { instances, INSTANCE_STATES } from '../../../../src/store/instances.ts';
import { networkInterfaces } from '../../../../src/store/network-interfaces.ts';
import { putTags } from '../../../../src/store/tags.ts';
import { dhcpOptionSets, vpcs } from '../../../../src/store/vpcs.ts';
import { NetworkRecords } from '../../../support/network-records.ts';

let net: NetworkRecords;
let vpcId: VpcId;
let subnetId: SubnetId;
beforeEach(async () => {
  net = new NetworkRecords();
  vpcId = await net.vpc();
  subnetId = await net.subnet(vpcId);
});
afterEach(() => net[Symbol.dispose]());

function peer(
  requesterVpcId: VpcId,
  accepterVpcId: VpcId,
  status: VpcPeeringConnection['status'] = 'active',
): VpcPeeringConnection {
  const record = {
    vpcPeeringConnectionId: newId('vpcPeeringConnection'),
    requesterVpcId,
    accepterVpcId,
    status,
    createTime: '2026-01-02T03:04:05.000Z',
  };
  vpcPeeringConnections.insert(net.db, record);
  return record;
}

describe('what is read of a VPC', () => {
  test('is what CreateVpc and CreateSubnet have made', () => {
    const records = readVpc(net.db, vpcId);
    expect(records).toMatchObject({
      vpc: { vpcId },
      subnets: [{ subnetId }],
      routeTables: [{ routeTableId: records.vpc.mainRouteTable.routeTableId }],
      networkAcls: [{ vpcId, isDefault: true }],
      internetGateway: undefined,
      natGateways: [],
      groups: [{ groupName: 'default' }],
      prefixLists: [],
      dhcpOptions: undefined,
      plugged: [],
      addresses: [],
      peerings: [],
    });
  });

  test("is nothing of another VPC's", async () => {
    const other = await net.vpc();
    const otherSubnet = await net.subnet(other);
    const { networkInterface } = net.instance(otherSubnet);
    net.address('198.51.100.7', {
      associationId: newId('addressAssociation'),
      networkInterfaceId: networkInterface.networkInterfaceId,
      privateIpAddress: networkInterface.privateIpAddress,
    });
    internetGateways.insert(net.db, { internetGatewayId: newId('internetGateway'), vpcId: other });
    const records = readVpc(net.db, vpcId);
    expect(records.subnets.map((each) => each.subnetId)).toEqual([subnetId]);
    expect(records).toMatchObject({ internetGateway: undefined, plugged: [], addresses: [] });
    expect(records.groups).toHaveLength(1);
    expect(readVpc(net.db, other)).toMatchObject({
      internetGateway: { vpcId: other },
      plugged: [{ networkInterface }],
      addresses: [{ publicIp: '198.51.100.7' }],
    });
  });

  test('has the gateways that are attached, with their addresses', () => {
    const gateway = { internetGatewayId: newId('internetGateway'), vpcId } as const;
    internetGateways.insert(net.db, gateway);
    internetGateways.insert(net.db, { internetGatewayId: newId('internetGateway'), vpcId: null });
    const own = net.networkInterface(subnetId, { interfaceType: 'nat_gateway' });
    const address = net.address('198.51.100.7', {
      associationId: newId('addressAssociation'),
      networkInterfaceId: own.networkInterfaceId,
      privateIpAddress: own.privateIpAddress,
    });
    net.address('198.51.100.8');
    natGateways.insert(net.db, {
      natGatewayId: newId('natGateway'),
      vpcId,
      subnetId,
      networkInterfaceId: own.networkInterfaceId,
      allocationId: address.allocationId,
      createTime: '2026-01-02T03:04:05.000Z',
      clientToken: null,
    });
    const records = readVpc(net.db, vpcId);
    expect(records.internetGateway).toEqual(gateway);
    expect(records.natGateways).toMatchObject([{ subnetId }]);
    // A gateway's interface is plugged into nothing, and its address counts all the same.
    expect(records).toMatchObject({ plugged: [], addresses: [address] });
  });

  test('has the DHCP options that it uses', () => {
    const options = { dhcpOptionsId: newId('dhcpOptions'), configurations: { 'domain-name': ['lab'] } };
    dhcpOptionSets.insert(net.db, options);
    expect(readVpc(net.db, vpcId).dhcpOptions).toBeUndefined();
    vpcs.update(net.db, { ...net.vpcRecord(vpcId), dhcpOptionsId: options.dhcpOptionsId });
    expect(readVpc(net.db, vpcId).dhcpOptions).toEqual(options);
  });

  test('is refused for a VPC that is not there', () => {
    const missing = newId('vpc');
    for (const read of [readVpc, requireVpc])
      expect(() => read(net.db, missing)).toThrow(
        expect.objectContaining({ code: 'RecordMissing', message: expect.stringContaining(missing) }),
      );
  });
});

describe('what is plugged in', () => {
  test.each(INSTANCE_STATES)('of an instance that is %s is as it may have a machine', (state) => {
    const { networkInterface } = net.instance(subnetId, { state });
    const isActive = state !== 'stopped' && state !== 'terminated';
    expect(readVpc(net.db, vpcId).plugged.map((each) => each.networkInterface)).toEqual(
      isActive ? [networkInterface] : [],
    );
  });

  test('is every interface of an instance, with its name, and none that nobody has', () => {
    const { instance, networkInterface } = net.instance(subnetId);
    const second = net.networkInterface(subnetId, { attachment: net.attachment(instance, 1) });
    net.networkInterface(subnetId);
    putTags(net.db, instance.instanceId, { Name: 'web', stage: 'test' });
    expect(readVpc(net.db, vpcId).plugged).toEqual([
      { networkInterface, instance, name: 'web' },
      { networkInterface: second, instance, name: 'web' },
    ]);
  });

  test('has no name without the tag', () => {
    net.instance(subnetId);
    expect(readVpc(net.db, vpcId).plugged).toMatchObject([{ name: undefined }]);
  });

  test('is without an interface whose record is broken', () => {
    const { networkInterface } = net.instance(subnetId);
    const broken = net.instance(subnetId).networkInterface.networkInterfaceId;
    net.db.prepare("UPDATE network_interfaces SET document = '{' WHERE id = ?").run(broken);
    expect(readVpc(net.db, vpcId).plugged).toMatchObject([{ networkInterface }]);
    expect(networkInterfaces.broken(net.db)).toMatchObject([{ id: broken }]);
  });
});

describe('peerings', () => {
  test('are seen from either side, with who is there', async () => {
    const other = await net.vpc('10.1.0.0/16');
    const otherSubnet = await net.subnet(other, '10.1.1.0/24');
    const connection = peer(vpcId, other);
    const [mine, theirs] = [net.instance(subnetId), net.instance(otherSubnet)];
    expect(readVpc(net.db, vpcId).peerings).toEqual([
      {
        connection,
        peer: net.vpcRecord(other),
        peerGroups: [expect.objectContaining({ vpcId: other, groupName: 'default' })],
        peerPlugged: [{ ...theirs, name: undefined }],
      },
    ]);
    expect(readVpc(net.db, other).peerings).toMatchObject([
      { connection, peer: { vpcId }, peerPlugged: [mine] },
    ]);
    expect(peersOf(net.db, vpcId)).toEqual([other]);
    expect(peersOf(net.db, other)).toEqual([vpcId]);
  });

  test('count when they are active', async () => {
    const [asked, active] = [await net.vpc('10.1.0.0/16'), await net.vpc('10.2.0.0/16')];
    peer(vpcId, asked, 'pending-acceptance');
    peer(active, vpcId);
    expect(peersOf(net.db, vpcId)).toEqual([active]);
    expect(readVpc(net.db, vpcId).peerings).toHaveLength(1);
    expect(readVpc(net.db, asked).peerings).toEqual([]);
    expect(instances.list(net.db)).toEqual([]);
  });
});
