import { afterEach, beforeEach, expect, test } from 'vitest';
import { newId, type VpcId } from '../../../../src/core/ids.ts';
import { attachInternetGateway } from '../../../../src/ec2/internet-gateways/attach-internet-gateway.ts';
import { createInternetGateway } from '../../../../src/ec2/internet-gateways/create-internet-gateway.ts';
import { createNatGateway } from '../../../../src/ec2/nat-gateways/create-nat-gateway.ts';
import { createNetworkAcl } from '../../../../src/ec2/network-acls/create-network-acl.ts';
import { createRouteTable } from '../../../../src/ec2/route-tables/create-route-table.ts';
import { createSecurityGroup } from '../../../../src/ec2/security-groups/create-security-group.ts';
import { createTags } from '../../../../src/ec2/tags/create-tags.ts';
import { createVpcPeeringConnection } from '../../../../src/ec2/vpc-peering-connections/create-vpc-peering-connection.ts';
import { deleteVpc } from '../../../../src/ec2/vpcs/delete-vpc.ts';
import { networkAcls } from '../../../../src/store/network-acls.ts';
import { routeTables } from '../../../../src/store/route-tables.ts';
import { securityGroups } from '../../../../src/store/security-groups.ts';
import { tagsOf } from '../../../../src/store/tags.ts';
import { vpcs } from '../../../../src/store/vpcs.ts';
import { NetworkRecords, refusal } from '../../../support/network-records.ts';

let net: NetworkRecords;
let vpcId: VpcId;
beforeEach(async () => {
  net = new NetworkRecords();
  vpcId = await net.vpc();
});
afterEach(() => net[Symbol.dispose]());

test('takes its default group, default ACL, main route table and all tags with it', async () => {
  const { routeTableId } = net.vpcRecord(vpcId).mainRouteTable;
  await createTags(net.ctx, { Resources: [vpcId, routeTableId], Tags: [{ Key: 'Name', Value: 'x' }] });
  await deleteVpc(net.ctx, { VpcId: vpcId });
  for (const table of [vpcs, securityGroups, networkAcls, routeTables])
    expect(table.list(net.db)).toEqual([]);
  for (const id of [vpcId, routeTableId]) expect(tagsOf(net.db, id)).toEqual({});
});

type Dependency = () => Promise<readonly [dependent: string | undefined, command: string]>;
const DEPENDENCIES: Readonly<Record<string, Dependency>> = {
  'a subnet': async () => [await net.subnet(vpcId), 'subnet rm'],
  'an instance': async () => [net.instance(await net.subnet(vpcId)).instance.instanceId, 'terminate'],
  'an interface': async () => [net.networkInterface(await net.subnet(vpcId)).networkInterfaceId, 'eni rm'],
  'an internet gateway': async () => [await gateway(), 'igw detach'],
  'a NAT gateway': async () => {
    await gateway();
    const { NatGateway } = await createNatGateway(net.ctx, {
      SubnetId: await net.subnet(vpcId),
      AllocationId: net.address('198.51.100.7').allocationId,
    });
    return [NatGateway?.NatGatewayId, 'nat rm'];
  },
  'a peering': async () => {
    const { VpcPeeringConnection } = createVpcPeeringConnection(net.ctx, {
      VpcId: await net.vpc('10.1.0.0/16'),
      PeerVpcId: vpcId,
    });
    return [VpcPeeringConnection?.VpcPeeringConnectionId, 'peering rm'];
  },
  'a group': async () => [
    (await createSecurityGroup(net.ctx, { GroupName: 'web', Description: 'web', VpcId: vpcId })).GroupId,
    'sg rm',
  ],
  'a route table': async () => [
    createRouteTable(net.ctx, { VpcId: vpcId }).RouteTable?.RouteTableId,
    'route rm',
  ],
  'an ACL': async () => [createNetworkAcl(net.ctx, { VpcId: vpcId }).NetworkAcl?.NetworkAclId, 'acl rm'],
};

async function gateway(): Promise<string> {
  const { InternetGateway } = createInternetGateway(net.ctx, {});
  await attachInternetGateway(net.ctx, {
    InternetGatewayId: InternetGateway?.InternetGatewayId,
    VpcId: vpcId,
  });
  return InternetGateway?.InternetGatewayId ?? '';
}

test.each(Object.entries(DEPENDENCIES))(
  'is refused while %s is left, and says what to type',
  async (_, make) => {
    const [dependent, command] = await make();
    await expect(deleteVpc(net.ctx, { VpcId: vpcId })).rejects.toThrow(
      expect.objectContaining({
        code: 'DependencyViolation',
        message: expect.stringMatching(
          new RegExp(`^The vpc '${vpcId}' has dependencies and cannot be deleted: .*${dependent}`),
        ),
        hint: `bonami ${command} ${dependent}`,
      }),
    );
    expect(vpcs.get(net.db, vpcId)).toBeDefined();
  },
);

test('of an unknown VPC, and as a dry run, is refused', async () => {
  await expect(deleteVpc(net.ctx, { VpcId: newId('vpc') })).rejects.toThrow(refusal('InvalidVpcID.NotFound'));
  await expect(deleteVpc(net.ctx, { VpcId: vpcId, DryRun: true })).rejects.toThrow(
    refusal('DryRunOperation'),
  );
  expect(vpcs.get(net.db, vpcId)).toBeDefined();
});
