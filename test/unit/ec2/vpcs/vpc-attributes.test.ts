import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId, type VpcId } from '../../../../src/core/ids.ts';
import { associateVpcCidrBlock } from '../../../../src/ec2/vpcs/associate-vpc-cidr-block.ts';
import { describeVpcAttribute } from '../../../../src/ec2/vpcs/describe-vpc-attribute.ts';
import { describeVpcs } from '../../../../src/ec2/vpcs/describe-vpcs.ts';
import { disassociateVpcCidrBlock } from '../../../../src/ec2/vpcs/disassociate-vpc-cidr-block.ts';
import { modifyVpcAttribute } from '../../../../src/ec2/vpcs/modify-vpc-attribute.ts';
import { networkAcls } from '../../../../src/store/network-acls.ts';
import { securityGroups } from '../../../../src/store/security-groups.ts';
import { NetworkRecords, refusal } from '../../../support/network-records.ts';

let net: NetworkRecords;
let vpcId: VpcId;
beforeEach(async () => {
  net = new NetworkRecords();
  vpcId = await net.vpc();
});
afterEach(() => net[Symbol.dispose]());

describe('attributes', () => {
  test('are told as they were set', async () => {
    expect(describeVpcAttribute(net.ctx, { VpcId: vpcId, Attribute: 'enableDnsHostnames' })).toEqual({
      VpcId: vpcId,
      EnableDnsHostnames: { Value: false },
    });
    await modifyVpcAttribute(net.ctx, { VpcId: vpcId, EnableDnsHostnames: { Value: true } });
    expect(describeVpcAttribute(net.ctx, { VpcId: vpcId, Attribute: 'enableDnsHostnames' })).toMatchObject({
      EnableDnsHostnames: { Value: true },
    });
    await modifyVpcAttribute(net.ctx, { VpcId: vpcId, EnableDnsSupport: { Value: false } });
    expect(describeVpcAttribute(net.ctx, { VpcId: vpcId, Attribute: 'enableDnsSupport' })).toMatchObject({
      EnableDnsSupport: { Value: false },
    });
    expect(
      describeVpcAttribute(net.ctx, { VpcId: vpcId, Attribute: 'enableNetworkAddressUsageMetrics' }),
    ).toMatchObject({ EnableNetworkAddressUsageMetrics: { Value: false } });
  });

  test.each([
    [{}, 'InvalidParameterCombination'],
    [
      { EnableDnsSupport: { Value: true }, EnableDnsHostnames: { Value: true } },
      'InvalidParameterCombination',
    ],
    [{ EnableNetworkAddressUsageMetrics: { Value: true } }, 'UnsupportedOperation'],
  ])('%j answers %s', async (request, code) => {
    await expect(modifyVpcAttribute(net.ctx, { VpcId: vpcId, ...request })).rejects.toThrow(refusal(code));
  });

  test('host names need DNS', async () => {
    await modifyVpcAttribute(net.ctx, { VpcId: vpcId, EnableDnsSupport: { Value: false } });
    await expect(
      modifyVpcAttribute(net.ctx, { VpcId: vpcId, EnableDnsHostnames: { Value: true } }),
    ).rejects.toThrow(refusal('InvalidParameterCombination', 'need its DNS support'));
    expect(net.vpcRecord(vpcId).enableDnsHostnames).toBe(false);
  });

  test('that there are not are refused', () => {
    expect(() => describeVpcAttribute(net.ctx, { VpcId: vpcId, Attribute: 'colour' as never })).toThrow(
      refusal('InvalidParameterValue', 'Unknown attribute.'),
    );
    expect(() => describeVpcAttribute(net.ctx, { VpcId: vpcId, Attribute: undefined })).toThrow(
      refusal('MissingParameter'),
    );
    expect(() =>
      describeVpcAttribute(net.ctx, { VpcId: newId('vpc'), Attribute: 'enableDnsSupport' }),
    ).toThrow(refusal('InvalidVpcID.NotFound'));
  });
});

describe('an IPv6 block', () => {
  const associate = async (): Promise<string> => {
    const response = await associateVpcCidrBlock(net.ctx, {
      VpcId: vpcId,
      AmazonProvidedIpv6CidrBlock: true,
    });
    return response.Ipv6CidrBlockAssociation?.AssociationId ?? '';
  };

  test('is added and taken away', async () => {
    const AssociationId = await associate();
    const shown = async (): Promise<unknown> =>
      (await describeVpcs(net.ctx, { VpcIds: [vpcId] })).Vpcs?.[0]?.Ipv6CidrBlockAssociationSet;
    expect(await shown()).toMatchObject([{ AssociationId, Ipv6CidrBlockState: { State: 'associated' } }]);
    expect(await disassociateVpcCidrBlock(net.ctx, { AssociationId })).toMatchObject({
      VpcId: vpcId,
      Ipv6CidrBlockAssociation: { AssociationId, Ipv6CidrBlockState: { State: 'disassociated' } },
    });
    expect(await shown()).toEqual([]);
  });

  test('is let pass by rules that nobody has changed', async () => {
    await associate();
    const [acl] = networkAcls.listBy(net.db, 'default_of', vpcId);
    expect(acl?.entries.map(({ cidrBlock }) => cidrBlock)).toEqual([
      '0.0.0.0/0',
      '0.0.0.0/0',
      '::/0',
      '::/0',
    ]);
    const [group] = securityGroups.listBy(net.db, 'vpc_id', vpcId);
    expect(group?.rules.at(-1)).toMatchObject({ isEgress: true, peer: { kind: 'ipv6', cidr: '::/0' } });
  });

  test('is not let pass by rules that somebody has changed', async () => {
    const [acl] = networkAcls.listBy(net.db, 'default_of', vpcId);
    const [group] = securityGroups.listBy(net.db, 'vpc_id', vpcId);
    if (!acl || !group) throw new Error('no defaults');
    networkAcls.update(net.db, { ...acl, entries: acl.entries.slice(1) });
    securityGroups.update(net.db, { ...group, rules: group.rules.filter(({ isEgress }) => !isEgress) });
    await associate();
    expect(networkAcls.get(net.db, acl.networkAclId)?.entries).toEqual(acl.entries.slice(1));
    expect(securityGroups.get(net.db, group.groupId)?.rules.some(({ isEgress }) => isEgress)).toBe(false);
  });

  test('coming back adds no rules a second time', async () => {
    await disassociateVpcCidrBlock(net.ctx, { AssociationId: await associate() });
    await associate();
    expect(networkAcls.listBy(net.db, 'default_of', vpcId)[0]?.entries).toHaveLength(4);
    const [group] = securityGroups.listBy(net.db, 'vpc_id', vpcId);
    expect(group?.rules.filter(({ isEgress }) => isEgress)).toHaveLength(2);
  });

  test('is the only one, and IPv4 has no second one', async () => {
    await associate();
    await expect(associate()).rejects.toThrow(refusal('CidrLimitExceeded', vpcId));
    await expect(associateVpcCidrBlock(net.ctx, { VpcId: vpcId, CidrBlock: '10.1.0.0/16' })).rejects.toThrow(
      expect.objectContaining({ code: 'UnsupportedOperation', hint: expect.any(String) }),
    );
  });

  test('stays while subnets have a part of it', async () => {
    const AssociationId = await associate();
    const subnetId = await net.subnet(vpcId, '10.0.1.0/24', net.ipv6Block(vpcId));
    await expect(disassociateVpcCidrBlock(net.ctx, { AssociationId })).rejects.toThrow(
      refusal('InvalidCidrBlock.InUse', subnetId),
    );
  });

  test('is not the IPv4 one, which stays, nor an unknown one', async () => {
    const { Vpcs: [vpc] = [] } = await describeVpcs(net.ctx, { VpcIds: [vpcId] });
    const AssociationId = vpc?.CidrBlockAssociationSet?.[0]?.AssociationId;
    await expect(disassociateVpcCidrBlock(net.ctx, { AssociationId })).rejects.toThrow(
      refusal('OperationNotPermitted', 'primary IPv4 CIDR block'),
    );
    await expect(
      disassociateVpcCidrBlock(net.ctx, { AssociationId: newId('vpcCidrAssociation') }),
    ).rejects.toThrow(refusal('InvalidVpcCidrBlockAssociationID.NotFound'));
  });
});
