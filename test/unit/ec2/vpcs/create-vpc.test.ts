import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { canonicalBlock, prefixOf } from '../../../../src/core/ip.ts';
import { describeNetworkAcls } from '../../../../src/ec2/network-acls/describe-network-acls.ts';
import { describeRouteTables } from '../../../../src/ec2/route-tables/describe-route-tables.ts';
import { createSecurityGroup } from '../../../../src/ec2/security-groups/create-security-group.ts';
import { createDefaultVpc } from '../../../../src/ec2/vpcs/create-default-vpc.ts';
import { createVpc } from '../../../../src/ec2/vpcs/create-vpc.ts';
import { ensureDefaultVpc, requireDefaultVpc } from '../../../../src/ec2/vpcs/default-vpc.ts';
import { deleteVpc } from '../../../../src/ec2/vpcs/delete-vpc.ts';
import { describeVpcs } from '../../../../src/ec2/vpcs/describe-vpcs.ts';
import { UPLINK_POOL } from '../../../../src/host/link/uplink.ts';
import { internetGateways } from '../../../../src/store/gateways.ts';
import { securityGroups } from '../../../../src/store/security-groups.ts';
import { subnets, vpcs } from '../../../../src/store/vpcs.ts';
import { NetworkRecords, refusal } from '../../../support/network-records.ts';

let net: NetworkRecords;
beforeEach(() => {
  net = new NetworkRecords();
});
afterEach(() => net[Symbol.dispose]());

describe('a block', () => {
  test.each([
    ['10.0.0.0/16', '10.0.0.0/16'],
    ['192.168.5.16/28', '192.168.5.16/28'],
    ['100.64.0.0/16', '100.64.0.0/16'],
    ['203.0.113.0/24', '203.0.113.0/24'],
    ['100.68.0.18/18', '100.68.0.0/18'],
  ])('%s is recorded as %s', async (asked, recorded) => {
    const { Vpc } = await createVpc(net.ctx, { CidrBlock: asked });
    expect(Vpc).toMatchObject({ CidrBlock: recorded, IsDefault: false, State: 'available' });
    expect(Vpc?.CidrBlockAssociationSet).toMatchObject([
      { CidrBlock: recorded, CidrBlockState: { State: 'associated' } },
    ]);
  });

  test.each(['10.0.0.0/15', '10.0.0.0/29', '127.0.0.0/16', '169.254.0.0/16', '224.0.0.0/16', '0.0.0.0/16'])(
    '%s is refused',
    async (cidr) => {
      await expect(createVpc(net.ctx, { CidrBlock: cidr })).rejects.toThrow(
        refusal('InvalidVpc.Range', `The CIDR '${cidr}' is invalid.`),
      );
    },
  );

  test.each(['', '10.0.0.0', '10.0.0.0/x', '10.0.0.256/16', '10.0.0.0/16/2', 'fd00::/56', '10.0.0.0/-1'])(
    "'%s' is none",
    async (cidr) => {
      await expect(createVpc(net.ctx, { CidrBlock: cidr })).rejects.toThrow(
        refusal('InvalidParameterValue', 'This is not a valid CIDR block.'),
      );
    },
  );

  test('may be the same as that of another VPC', async () => {
    expect(await net.vpc('10.0.0.0/16')).not.toBe(await net.vpc('10.0.0.0/16'));
  });
});

test.each([
  [{}, 'MissingParameter'],
  [{ CidrBlock: '10.0.0.0/16', InstanceTenancy: 'dedicated' }, 'UnsupportedTenancy'],
  [{ CidrBlock: '10.0.0.0/16', Ipv4IpamPoolId: 'ipam-pool-0' }, 'UnsupportedOperation'],
  [{ CidrBlock: '10.0.0.0/16', Ipv6CidrBlock: 'fd00::/56' }, 'UnsupportedOperation'],
  [{ CidrBlock: '10.0.0.0/16', TagSpecifications: [{ ResourceType: 'subnet' }] }, 'InvalidParameterValue'],
  [{ CidrBlock: '10.0.0.0/16', DryRun: true }, 'DryRunOperation'],
] as const)('%j answers %s and records nothing', async (request, code) => {
  await expect(createVpc(net.ctx, request as never)).rejects.toThrow(refusal(code));
  expect(vpcs.list(net.db)).toEqual([]);
});

describe('IPv6', () => {
  test('is a /56 of unique local addresses, another one for each VPC', async () => {
    const blocks: string[] = [];
    for (let index = 0; index < 20; index++)
      blocks.push(net.vpcRecord(await net.vpc('10.0.0.0/16', { ipv6: true })).ipv6?.cidrBlock ?? '');
    for (const block of blocks) {
      expect(canonicalBlock(block)).toBe(block);
      expect([block.slice(0, 2), prefixOf(block)]).toEqual(['fd', 56]);
    }
    expect(new Set(blocks).size).toBe(20);
  });

  test('comes with rules that let it pass', async () => {
    const vpcId = await net.vpc('10.0.0.0/16', { ipv6: true });
    const [group] = securityGroups.listBy(net.db, 'vpc_id', vpcId);
    expect(group?.rules.filter(({ isEgress }) => isEgress).map(({ peer }) => peer)).toEqual([
      { kind: 'ipv4', cidr: '0.0.0.0/0' },
      { kind: 'ipv6', cidr: '::/0' },
    ]);
    const { NetworkAcls } = await describeNetworkAcls(net.ctx, {
      Filters: [{ Name: 'vpc-id', Values: [vpcId] }],
    });
    expect(NetworkAcls?.[0]?.Entries?.map(({ RuleNumber }) => RuleNumber)).toEqual([
      100, 101, 32_767, 32_768, 100, 101, 32_767, 32_768,
    ]);
  });
});

test('every VPC has a main route table, a default ACL and a default group from the start', async () => {
  const vpcId = await net.vpc();
  const Filters = [{ Name: 'vpc-id', Values: [vpcId] }];
  const { RouteTables } = await describeRouteTables(net.ctx, { Filters });
  expect(RouteTables).toMatchObject([
    {
      Associations: [{ Main: true }],
      Routes: [
        {
          DestinationCidrBlock: '10.0.0.0/16',
          GatewayId: 'local',
          Origin: 'CreateRouteTable',
          State: 'active',
        },
      ],
    },
  ]);
  const { NetworkAcls } = await describeNetworkAcls(net.ctx, { Filters });
  expect(NetworkAcls).toMatchObject([{ IsDefault: true, Associations: [] }]);
  const [group, ...others] = securityGroups.listBy(net.db, 'vpc_id', vpcId);
  expect(others).toEqual([]);
  expect(group).toMatchObject({ groupName: 'default' });
  expect(group?.rules).toMatchObject([
    { isEgress: false, ipProtocol: '-1', peer: { kind: 'group', groupId: group?.groupId } },
    { ipProtocol: 'tcp', fromPort: 22, toPort: 22, peer: { cidr: UPLINK_POOL }, description: 'this host' },
    { ipProtocol: 'icmp', fromPort: -1, toPort: -1, peer: { cidr: UPLINK_POOL }, description: 'this host' },
    { isEgress: true, ipProtocol: '-1', peer: { kind: 'ipv4', cidr: '0.0.0.0/0' } },
  ]);
});

describe('the default VPC', () => {
  afterEach(() => {
    delete process.env['BONAMI_INTERNET'];
  });

  test('has a subnet in every zone and a way out', async () => {
    process.env['BONAMI_INTERNET'] = 'on';
    const { vpcId } = await requireDefaultVpc(net.ctx);
    expect(subnets.listBy(net.db, 'vpc_id', vpcId).map(({ availabilityZone }) => availabilityZone)).toEqual([
      'us-east-1a',
      'us-east-1b',
      'us-east-1c',
    ]);
    const [gateway] = internetGateways.listBy(net.db, 'vpc_id', vpcId);
    const { RouteTables: [table] = [] } = await describeRouteTables(net.ctx, {});
    expect(table?.Routes?.[1]).toEqual({
      DestinationCidrBlock: '0.0.0.0/0',
      GatewayId: gateway?.internetGatewayId,
      Origin: 'CreateRoute',
      State: 'active',
    });
  });

  test('has no gateway and no route with BONAMI_INTERNET=off', async () => {
    process.env['BONAMI_INTERNET'] = 'off';
    await ensureDefaultVpc(net.ctx);
    expect(internetGateways.list(net.db)).toEqual([]);
    expect((await describeRouteTables(net.ctx, {})).RouteTables?.[0]?.Routes).toHaveLength(1);
  });

  test('is the same for everybody who asks', async () => {
    const all = await Promise.all([1, 2, 3].map(() => ensureDefaultVpc(net.ctx)));
    expect(new Set(all.map((vpc) => vpc?.vpcId)).size).toBe(1);
    expect(vpcs.list(net.db)).toHaveLength(1);
  });

  test('stays away once it was deleted, until it is asked for', async () => {
    const { vpcId } = await requireDefaultVpc(net.ctx);
    for (const { internetGatewayId } of internetGateways.listBy(net.db, 'vpc_id', vpcId))
      internetGateways.update(net.db, { internetGatewayId, vpcId: null });
    for (const { subnetId } of subnets.listBy(net.db, 'vpc_id', vpcId)) subnets.remove(net.db, subnetId);
    await deleteVpc(net.ctx, { VpcId: vpcId });
    expect((await describeVpcs(net.ctx, {})).Vpcs).toEqual([]);
    await expect(requireDefaultVpc(net.ctx)).rejects.toThrow(
      refusal('VPCIdNotSpecified', 'No default VPC for this user.'),
    );
    await expect(createSecurityGroup(net.ctx, { GroupName: 'web', Description: 'web' })).rejects.toThrow(
      refusal('VPCIdNotSpecified'),
    );
    await createDefaultVpc(net.ctx, {});
    expect((await describeVpcs(net.ctx, {})).Vpcs).toMatchObject([{ IsDefault: true }]);
  });

  test('is not made by a request that only asks', async () => {
    await expect(createDefaultVpc(net.ctx, { DryRun: true })).rejects.toThrow(refusal('DryRunOperation'));
    expect(vpcs.list(net.db)).toEqual([]);
  });

  test('is made once', async () => {
    const { Vpc } = await createDefaultVpc(net.ctx, {});
    expect(Vpc).toMatchObject({ IsDefault: true });
    await expect(createDefaultVpc(net.ctx, {})).rejects.toThrow(refusal('DefaultVpcAlreadyExists'));
  });
});

describe('VPCs are described', () => {
  test('with their tags, by ids and filters', async () => {
    const { Vpc } = await createVpc(net.ctx, {
      CidrBlock: '10.9.0.0/16',
      AmazonProvidedIpv6CidrBlock: true,
      TagSpecifications: [{ ResourceType: 'vpc', Tags: [{ Key: 'team', Value: 'blue' }] }],
    });
    const id = Vpc?.VpcId ?? '';
    const found = async (Name: string, value: string): Promise<readonly (string | undefined)[]> => {
      const { Vpcs = [] } = await describeVpcs(net.ctx, { Filters: [{ Name, Values: [value] }] });
      return Vpcs.map(({ VpcId }) => VpcId);
    };
    expect((await describeVpcs(net.ctx, { VpcIds: [id] })).Vpcs).toEqual([Vpc]);
    expect(Vpc?.Tags).toEqual([{ Key: 'team', Value: 'blue' }]);
    expect(Vpc?.DhcpOptionsId).toBe('default');
    const six = Vpc?.Ipv6CidrBlockAssociationSet?.[0];
    for (const [name, value] of [
      ['cidr', '10.9.*'],
      ['cidr-block-association.cidr-block', '10.9.0.0/16'],
      ['cidr-block-association.association-id', Vpc?.CidrBlockAssociationSet?.[0]?.AssociationId ?? ''],
      ['ipv6-cidr-block-association.ipv6-cidr-block', six?.Ipv6CidrBlock ?? ''],
      ['ipv6-cidr-block-association.association-id', six?.AssociationId ?? ''],
      ['is-default', 'false'],
      ['isDefault', 'false'],
      ['vpc-id', id],
      ['tag:team', 'blue'],
      ['tag-key', 'team'],
    ] as const)
      expect({ [name]: await found(name, value) }).toEqual({ [name]: [id] });
    expect(await found('dhcp-options-id', 'default')).toHaveLength(2);
  });
});
