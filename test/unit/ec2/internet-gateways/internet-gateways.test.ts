import { afterEach, beforeEach, expect, test } from 'vitest';
import { newId, type ResourceId } from '../../../../src/core/ids.ts';
import { attachInternetGateway } from '../../../../src/ec2/internet-gateways/attach-internet-gateway.ts';
import { createInternetGateway } from '../../../../src/ec2/internet-gateways/create-internet-gateway.ts';
import { deleteInternetGateway } from '../../../../src/ec2/internet-gateways/delete-internet-gateway.ts';
import { describeInternetGateways } from '../../../../src/ec2/internet-gateways/describe-internet-gateways.ts';
import { detachInternetGateway } from '../../../../src/ec2/internet-gateways/detach-internet-gateway.ts';
import { NetworkRecords, refusal } from '../../../support/network-records.ts';

let net: NetworkRecords;
let VpcId: ResourceId<'vpc'>;
let InternetGatewayId: string;
beforeEach(async () => {
  net = new NetworkRecords();
  VpcId = await net.vpc();
  InternetGatewayId = createInternetGateway(net.ctx, {}).InternetGateway?.InternetGatewayId ?? '';
});
afterEach(() => net[Symbol.dispose]());

test('a gateway is attached to one VPC, detached and deleted', async () => {
  const shown = async (): Promise<unknown> =>
    (await describeInternetGateways(net.ctx, { InternetGatewayIds: [InternetGatewayId] })).InternetGateways;
  expect(await shown()).toMatchObject([{ Attachments: [] }]);
  await attachInternetGateway(net.ctx, { InternetGatewayId, VpcId });
  expect(await shown()).toMatchObject([{ Attachments: [{ VpcId, State: 'available' }] }]);
  expect(() => deleteInternetGateway(net.ctx, { InternetGatewayId })).toThrow(
    refusal('DependencyViolation', `The internetGateway '${InternetGatewayId}' has dependencies`),
  );
  await detachInternetGateway(net.ctx, { InternetGatewayId, VpcId });
  expect(await shown()).toMatchObject([{ Attachments: [] }]);
  deleteInternetGateway(net.ctx, { InternetGatewayId });
  await expect(shown()).rejects.toThrow(refusal('InvalidInternetGatewayID.NotFound'));
});

test('a VPC has one gateway, and a gateway one VPC', async () => {
  await attachInternetGateway(net.ctx, { InternetGatewayId, VpcId });
  const second = createInternetGateway(net.ctx, {}).InternetGateway?.InternetGatewayId;
  await expect(attachInternetGateway(net.ctx, { InternetGatewayId: second, VpcId })).rejects.toThrow(
    refusal('Resource.AlreadyAssociated', `Network ${VpcId} already has an internet gateway attached`),
  );
  const other = await net.vpc('10.1.0.0/16');
  await expect(attachInternetGateway(net.ctx, { InternetGatewayId, VpcId: other })).rejects.toThrow(
    refusal('Resource.AlreadyAssociated', `${InternetGatewayId} is already attached to network ${VpcId}`),
  );
});

test('what is not attached cannot be detached', async () => {
  const notAttached = refusal(
    'Gateway.NotAttached',
    `resource ${InternetGatewayId} is not attached to network ${VpcId}`,
  );
  await expect(detachInternetGateway(net.ctx, { InternetGatewayId, VpcId })).rejects.toThrow(notAttached);
  await attachInternetGateway(net.ctx, { InternetGatewayId, VpcId: await net.vpc('10.1.0.0/16') });
  await expect(detachInternetGateway(net.ctx, { InternetGatewayId, VpcId })).rejects.toThrow(notAttached);
});

test('elastic addresses that lead into the VPC hold its gateway', async () => {
  await attachInternetGateway(net.ctx, { InternetGatewayId, VpcId });
  const { networkInterfaceId, privateIpAddress } = net.networkInterface(await net.subnet(VpcId));
  net.address('198.51.100.8');
  const elsewhere = net.networkInterface(await net.subnet(await net.vpc()));
  const associationId = newId('addressAssociation');
  net.address('198.51.100.9', {
    associationId,
    networkInterfaceId: elsewhere.networkInterfaceId,
    privateIpAddress,
  });
  net.address('198.51.100.7', { associationId, networkInterfaceId, privateIpAddress });
  await expect(detachInternetGateway(net.ctx, { InternetGatewayId, VpcId })).rejects.toThrow(
    refusal(
      'DependencyViolation',
      `Network ${VpcId} has some mapped public address(es): 198.51.100.7. Please unmap`,
    ),
  );
});

test('unknown ones and dry runs are refused', async () => {
  const unknown = newId('internetGateway');
  await expect(attachInternetGateway(net.ctx, { InternetGatewayId: unknown, VpcId })).rejects.toThrow(
    refusal('InvalidInternetGatewayID.NotFound'),
  );
  await expect(attachInternetGateway(net.ctx, { InternetGatewayId, VpcId: newId('vpc') })).rejects.toThrow(
    refusal('InvalidVpcID.NotFound'),
  );
  await expect(attachInternetGateway(net.ctx, { InternetGatewayId, VpcId, DryRun: true })).rejects.toThrow(
    refusal('DryRunOperation'),
  );
  expect(() => createInternetGateway(net.ctx, { DryRun: true })).toThrow(refusal('DryRunOperation'));
  expect(() => deleteInternetGateway(net.ctx, { InternetGatewayId: 'igw-x' })).toThrow(
    refusal('InvalidInternetGatewayId.Malformed'),
  );
});

test('gateways are found by filters', async () => {
  await attachInternetGateway(net.ctx, { InternetGatewayId, VpcId });
  createInternetGateway(net.ctx, {});
  for (const [Name, value] of [
    ['attachment.vpc-id', VpcId],
    ['internet-gateway-id', InternetGatewayId],
  ] as const) {
    const { InternetGateways = [] } = await describeInternetGateways(net.ctx, {
      Filters: [{ Name, Values: [value] }],
    });
    expect(InternetGateways.map((each) => each.InternetGatewayId)).toEqual([InternetGatewayId]);
  }
});
