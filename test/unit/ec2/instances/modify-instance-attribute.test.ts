import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SubnetId } from '../../../../src/core/ids.ts';
import { modifyInstanceAttribute } from '../../../../src/ec2/instances/modify-instance-attribute.ts';
import { networkInterfaces } from '../../../../src/store/network-interfaces.ts';
import { NetworkRecords, refusal } from '../../../support/network-records.ts';

let net: NetworkRecords;
let subnet: SubnetId;
beforeEach(async () => {
  net = new NetworkRecords();
  subnet = await net.subnet(await net.vpc());
});
afterEach(() => net[Symbol.dispose]());

test('an instance’s check is its interface’s', async () => {
  const { instance, networkInterface } = net.instance(subnet);
  const { instanceId: InstanceId } = instance;
  await modifyInstanceAttribute(net.ctx, { InstanceId, SourceDestCheck: { Value: false } });
  expect(networkInterfaces.get(net.db, networkInterface.networkInterfaceId)?.sourceDestCheck).toBe(false);
});

test('an instance with several interfaces has no attribute of theirs', async () => {
  const { instance } = net.instance(subnet);
  net.networkInterface(subnet, { attachment: net.attachment(instance, 1) });
  await expect(
    modifyInstanceAttribute(net.ctx, { InstanceId: instance.instanceId, SourceDestCheck: { Value: false } }),
  ).rejects.toThrow(refusal('InvalidInstanceID', 'multiple interfaces'));
});

test('other attributes are refused by their names', async () => {
  const { instance } = net.instance(subnet);
  await expect(
    modifyInstanceAttribute(net.ctx, { InstanceId: instance.instanceId, EbsOptimized: { Value: true } }),
  ).rejects.toThrow(refusal('UnsupportedOperation', 'EbsOptimized'));
  await expect(modifyInstanceAttribute(net.ctx, { InstanceId: instance.instanceId })).rejects.toThrow(
    refusal('MissingParameter'),
  );
});
