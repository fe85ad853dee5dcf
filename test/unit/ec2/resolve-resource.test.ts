import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../../src/core/ids.ts';
import { createInternetGateway } from '../../../src/ec2/internet-gateways/create-internet-gateway.ts';
import {
  resolveNetworkAcl,
  resolveRouteTable,
  resolveRouteTarget,
  resolveSubnetOrVpc,
  resolveVpc,
} from '../../../src/ec2/resolve-in-vpc.ts';
import { NETWORK_KINDS, recordOf, recordsOf, type NetworkKind } from '../../../src/ec2/resource-kinds.ts';
import { findId, resolveId } from '../../../src/ec2/resolve-resource.ts';
import { createRouteTable } from '../../../src/ec2/route-tables/create-route-table.ts';
import { createTags } from '../../../src/ec2/tags/create-tags.ts';
import { networkAcls } from '../../../src/store/network-acls.ts';
import { securityGroups } from '../../../src/store/security-groups.ts';
import { NetworkRecords, refusal } from '../../support/network-records.ts';

let net: NetworkRecords;
beforeEach(() => {
  net = new NetworkRecords();
});
afterEach(() => net[Symbol.dispose]());

const name = async (id: string, Value: string): Promise<unknown> =>
  createTags(net.ctx, { Resources: [id], Tags: [{ Key: 'Name', Value }] });

describe('one is meant', () => {
  test('by its id, a beginning of it, or its Name tag', async () => {
    const vpcId = await net.vpc();
    await name(vpcId, 'lab');
    for (const reference of [vpcId, vpcId.slice(0, 12), 'lab'])
      expect(resolveId(net.db, 'vpc', reference)).toBe(vpcId);
  });

  test('by a Name tag that looks like the beginning of an id', async () => {
    const [one, other] = [await net.vpc(), await net.vpc()];
    await name(other, one.slice(0, 8));
    expect(resolveId(net.db, 'vpc', one.slice(0, 8))).toBe(other);
  });

  test('by what else it is called: an elastic IP, a group', async () => {
    const vpcId = await net.vpc();
    const { allocationId } = net.address('198.51.100.7');
    expect(resolveId(net.db, 'address', '198.51.100.7')).toBe(allocationId);
    const [group] = securityGroups.listBy(net.db, 'vpc_id', vpcId);
    expect(resolveId(net.db, 'securityGroup', 'default')).toBe(group?.groupId);
  });

  test('in a VPC where a name is unique', async () => {
    const [one] = [await net.vpc(), await net.vpc()];
    expect(() => resolveId(net.db, 'securityGroup', 'default')).toThrow(refusal('InvalidGroup.NotFound'));
    const [group] = securityGroups.listBy(net.db, 'vpc_id', one);
    expect(resolveId(net.db, 'securityGroup', 'default', { vpcId: one })).toBe(group?.groupId);
  });

  test('among the living instances', async () => {
    const subnetId = await net.subnet(await net.vpc());
    const dead = net.instance(subnetId, { state: 'terminated' }).instance.instanceId;
    const { instanceId } = net.instance(subnetId).instance;
    for (const id of [dead, instanceId]) await name(id, 'web');
    expect(resolveId(net.db, 'instance', 'web')).toBe(instanceId);
  });
});

test('several are an error that names them', async () => {
  const ids = [await net.vpc(), await net.vpc()];
  for (const id of ids) await name(id, 'twin');
  expect(() => resolveId(net.db, 'vpc', 'twin')).toThrow(
    refusal('InvalidVpcID.NotFound', `'twin' could be ${ids.join(' or ')}`),
  );
});

const KINDS = Object.entries(NETWORK_KINDS) as [NetworkKind, (typeof NETWORK_KINDS)[NetworkKind]][];
test.each(KINDS)('an unknown %s has its own code, and a command that lists them', (kind, facts) => {
  const notFound = expect.objectContaining({ code: facts.notFound, hint: facts.list });
  expect(() => resolveId(net.db, kind, 'nothing')).toThrow(notFound);
  expect(() => resolveId(net.db, kind, newId(kind))).toThrow(notFound);
  expect(() => recordOf(net.db, kind, newId(kind))).toThrow(notFound);
  expect(() => recordOf(net.db, kind, 'nothing')).toThrow(expect.objectContaining({ code: facts.malformed }));
  expect(findId(net.db, kind, 'nothing')).toBeUndefined();
});

test('of many ids the malformed one is complained of before the unknown one', () => {
  expect(() => recordsOf(net.db, 'vpc', [newId('vpc'), 'vpc-nope'])).toThrow(
    refusal('InvalidVpcID.Malformed', 'Invalid id: "vpc-nope" (expecting "vpc-...")'),
  );
});

describe('a VPC stands for', () => {
  test('its main route table and its default ACL', async () => {
    const vpcId = await net.vpc();
    await name(vpcId, 'lab');
    const { routeTableId } = net.vpcRecord(vpcId).mainRouteTable;
    const [acl] = networkAcls.listBy(net.db, 'default_of', vpcId);
    expect(await resolveRouteTable(net.ctx, 'lab')).toBe(routeTableId);
    expect(await resolveNetworkAcl(net.ctx, vpcId)).toBe(acl?.networkAclId);
  });

  test('nothing where one of that kind has the name', async () => {
    const vpcId = await net.vpc();
    const { RouteTable } = createRouteTable(net.ctx, { VpcId: vpcId });
    await name(vpcId, 'lab');
    await name(RouteTable?.RouteTableId ?? '', 'lab');
    expect(await resolveRouteTable(net.ctx, 'lab')).toBe(RouteTable?.RouteTableId);
  });

  test('its subnets, where no subnet is meant', async () => {
    const vpcId = await net.vpc();
    const subnetId = await net.subnet(vpcId);
    await name(subnetId, 'web');
    expect(await resolveSubnetOrVpc(net.ctx, 'web')).toEqual({ subnetId });
    expect(await resolveSubnetOrVpc(net.ctx, vpcId)).toEqual({ vpcId });
    await expect(resolveSubnetOrVpc(net.ctx, 'neither')).rejects.toThrow(refusal('InvalidSubnetID.NotFound'));
  });

  test('what is called default, which is made when there is none', async () => {
    expect(net.vpcRecord(await resolveVpc(net.ctx, 'default')).isDefault).toBe(true);
  });
});

describe('a route target', () => {
  test('is found whatever it is', async () => {
    const vpcId = await net.vpc();
    const subnetId = await net.subnet(vpcId);
    const { instance, networkInterface } = net.instance(subnetId);
    const { InternetGateway } = createInternetGateway(net.ctx, {});
    const gateway = InternetGateway?.InternetGatewayId ?? '';
    await name(gateway, 'out');
    await name(instance.instanceId, 'router');
    const { networkInterfaceId } = networkInterface;
    expect(resolveRouteTarget(net.db, 'out')).toEqual({ GatewayId: gateway });
    expect(resolveRouteTarget(net.db, 'router')).toEqual({ InstanceId: instance.instanceId });
    expect(resolveRouteTarget(net.db, instance.instanceId)).toEqual({ InstanceId: instance.instanceId });
    expect(resolveRouteTarget(net.db, networkInterfaceId)).toEqual({
      NetworkInterfaceId: networkInterfaceId,
    });
  });

  test('is neither nothing nor several things', async () => {
    const subnetId = await net.subnet(await net.vpc());
    const { instance, networkInterface } = net.instance(subnetId);
    for (const id of [instance.instanceId, networkInterface.networkInterfaceId]) await name(id, 'both');
    const ambiguous = `could be ${networkInterface.networkInterfaceId} or ${instance.instanceId}`;
    expect(() => resolveRouteTarget(net.db, 'both')).toThrow(refusal('InvalidParameterValue', ambiguous));
    expect(() => resolveRouteTarget(net.db, 'none')).toThrow(refusal('InvalidParameterValue', "'none'"));
  });
});
