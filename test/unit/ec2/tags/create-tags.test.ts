import { afterEach, beforeEach, expect, test } from 'vitest';
import { newId, type VpcId } from '../../../../src/core/ids.ts';
import { createDhcpOptions } from '../../../../src/ec2/dhcp-options/create-dhcp-options.ts';
import { createInternetGateway } from '../../../../src/ec2/internet-gateways/create-internet-gateway.ts';
import { createTags, deleteTags } from '../../../../src/ec2/tags/create-tags.ts';
import { networkAcls } from '../../../../src/store/network-acls.ts';
import { securityGroups } from '../../../../src/store/security-groups.ts';
import { tagsOf } from '../../../../src/store/tags.ts';
import { NetworkRecords, refusal } from '../../../support/network-records.ts';

let net: NetworkRecords;
let vpcId: VpcId;
beforeEach(async () => {
  net = new NetworkRecords();
  vpcId = await net.vpc();
});
afterEach(() => net[Symbol.dispose]());

test('everything that networks consist of can be tagged, a rule of a group too', async () => {
  const subnetId = await net.subnet(vpcId);
  const [group] = securityGroups.listBy(net.db, 'vpc_id', vpcId);
  const ids = [
    vpcId,
    subnetId,
    net.vpcRecord(vpcId).mainRouteTable.routeTableId,
    networkAcls.list(net.db)[0]?.networkAclId ?? '',
    group?.groupId ?? '',
    group?.rules[0]?.securityGroupRuleId ?? '',
    createInternetGateway(net.ctx, {}).InternetGateway?.InternetGatewayId ?? '',
    createDhcpOptions(net.ctx, { DhcpConfigurations: [{ Key: 'domain-name', Values: ['a'] }] }).DhcpOptions
      ?.DhcpOptionsId ?? '',
    net.address('198.51.100.7').allocationId,
    net.networkInterface(subnetId).networkInterfaceId,
  ];
  await createTags(net.ctx, { Resources: ids, Tags: [{ Key: 'team', Value: 'blue' }] });
  for (const id of ids) expect(tagsOf(net.db, id)).toEqual({ team: 'blue' });
  await deleteTags(net.ctx, { Resources: ids, Tags: [{ Key: 'team' }] });
  for (const id of ids) expect(tagsOf(net.db, id)).toEqual({});
});

test('one unknown resource, and none is tagged', async () => {
  for (const unknown of [newId('natGateway'), newId('securityGroupRule'), newId('reservation'), 'nonsense'])
    await expect(
      createTags(net.ctx, { Resources: [vpcId, unknown], Tags: [{ Key: 'a', Value: 'b' }] }),
    ).rejects.toThrow(refusal('InvalidID', unknown));
  expect(tagsOf(net.db, vpcId)).toEqual({});
});
