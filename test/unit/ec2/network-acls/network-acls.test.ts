import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CreateNetworkAclEntryRequest, NetworkAcl } from '@aws-sdk/client-ec2';
import { newId, type SubnetId, type VpcId } from '../../../../src/core/ids.ts';
import { createNetworkAclEntry } from '../../../../src/ec2/network-acls/create-network-acl-entry.ts';
import { createNetworkAcl } from '../../../../src/ec2/network-acls/create-network-acl.ts';
import { deleteNetworkAclEntry } from '../../../../src/ec2/network-acls/delete-network-acl-entry.ts';
import { deleteNetworkAcl } from '../../../../src/ec2/network-acls/delete-network-acl.ts';
import { describeNetworkAcls } from '../../../../src/ec2/network-acls/describe-network-acls.ts';
import { replaceNetworkAclAssociation } from '../../../../src/ec2/network-acls/replace-network-acl-association.ts';
import { replaceNetworkAclEntry } from '../../../../src/ec2/network-acls/replace-network-acl-entry.ts';
import { networkAcls } from '../../../../src/store/network-acls.ts';
import { NetworkRecords, refusal } from '../../../support/network-records.ts';

let net: NetworkRecords;
let vpcId: VpcId;
let subnetId: SubnetId;
let NetworkAclId: string;
let entry: CreateNetworkAclEntryRequest;
beforeEach(async () => {
  net = new NetworkRecords();
  vpcId = await net.vpc();
  subnetId = await net.subnet(vpcId);
  NetworkAclId = createNetworkAcl(net.ctx, { VpcId: vpcId }).NetworkAcl?.NetworkAclId ?? '';
  entry = {
    NetworkAclId,
    RuleNumber: 100,
    Protocol: '6',
    RuleAction: 'allow',
    Egress: false,
    CidrBlock: '0.0.0.0/0',
    PortRange: { From: 443, To: 443 },
  };
});
afterEach(() => net[Symbol.dispose]());

async function shown(id = NetworkAclId): Promise<NetworkAcl> {
  const { NetworkAcls: [acl] = [] } = await describeNetworkAcls(net.ctx, { NetworkAclIds: [id] });
  if (acl === undefined) throw new Error(`there is no ${id}`);
  return acl;
}
const entries = (): unknown => networkAcls.get(net.db, NetworkAclId)?.entries;

test('a new ACL denies everything', async () => {
  expect(await shown()).toMatchObject({ IsDefault: false, VpcId: vpcId, Associations: [] });
  expect((await shown()).Entries).toEqual(
    [true, false].map((Egress) => ({
      RuleNumber: 32_767,
      Egress,
      RuleAction: 'deny',
      Protocol: '-1',
      CidrBlock: '0.0.0.0/0',
    })),
  );
});

test('where there is IPv6 the last entries are pairs', async () => {
  const { NetworkAcl: acl } = createNetworkAcl(net.ctx, {
    VpcId: await net.vpc('10.1.0.0/16', { ipv6: true }),
  });
  expect(acl?.Entries?.map(({ CidrBlock, Ipv6CidrBlock }) => CidrBlock ?? Ipv6CidrBlock)).toEqual([
    '0.0.0.0/0',
    '::/0',
    '0.0.0.0/0',
    '::/0',
  ]);
});

describe('entries', () => {
  test('are told in the order in which they are tried', async () => {
    await createNetworkAclEntry(net.ctx, { ...entry, RuleNumber: 200 });
    await createNetworkAclEntry(net.ctx, entry);
    await createNetworkAclEntry(net.ctx, { ...entry, Egress: true, RuleNumber: 150 });
    expect((await shown()).Entries?.map(({ Egress, RuleNumber }) => [Egress, RuleNumber])).toEqual([
      [true, 150],
      [true, 32_767],
      [false, 100],
      [false, 200],
      [false, 32_767],
    ]);
  });

  test.each([
    [{}, { protocol: '6', portRange: { from: 443, to: 443 }, icmpTypeCode: null }],
    [{ Protocol: 'udp' }, { protocol: '17', portRange: { from: 443, to: 443 } }],
    [{ Protocol: 'all' }, { protocol: '-1', portRange: null }],
    [{ Protocol: '50' }, { protocol: '50', portRange: null }],
    [
      { Protocol: 'icmp', IcmpTypeCode: { Type: 8, Code: -1 } },
      { protocol: '1', portRange: null, icmpTypeCode: { type: 8, code: -1 } },
    ],
    [
      {
        Protocol: '58',
        IcmpTypeCode: { Type: -1, Code: -1 },
        CidrBlock: undefined,
        Ipv6CidrBlock: '2001:DB8::9/32',
      },
      { protocol: '58', cidrBlock: '2001:db8::/32' },
    ],
    [{ CidrBlock: '100.68.0.18/18' }, { cidrBlock: '100.68.0.0/18' }],
    [
      { RuleAction: 'deny' as const, Egress: true },
      { ruleAction: 'deny', egress: true },
    ],
    [{ RuleNumber: 32_766 }, { ruleNumber: 32_766 }],
  ])('%j are recorded as %j', async (change, recorded) => {
    await createNetworkAclEntry(net.ctx, { ...entry, ...change });
    expect(entries()).toMatchObject([recorded]);
  });

  test.each([
    [{ RuleNumber: 0 }, 'InvalidParameterValue'],
    [{ RuleNumber: 32_767 }, 'InvalidParameterValue'],
    [{ RuleNumber: 1.5 }, 'InvalidParameterValue'],
    [{ RuleNumber: undefined }, 'MissingParameter'],
    [{ RuleAction: undefined }, 'MissingParameter'],
    [{ RuleAction: 'pass' as 'allow' }, 'InvalidParameterValue'],
    [{ Protocol: undefined }, 'MissingParameter'],
    [{ Protocol: '256' }, 'InvalidParameterValue'],
    [{ Protocol: 'gopher' }, 'InvalidParameterValue'],
    [{ Protocol: '-2' }, 'InvalidParameterValue'],
    [{ PortRange: undefined }, 'MissingParameter'],
    [{ PortRange: { From: 80 } }, 'MissingParameter'],
    [{ PortRange: { From: 80, To: 79 } }, 'InvalidParameterValue'],
    [{ PortRange: { From: -1, To: 79 } }, 'InvalidParameterValue'],
    [{ PortRange: { From: 0, To: 65_536 } }, 'InvalidParameterValue'],
    [{ Protocol: 'icmp' }, 'MissingParameter'],
    [{ Protocol: 'icmp', IcmpTypeCode: { Type: 256, Code: 0 } }, 'InvalidParameterValue'],
    [{ Protocol: 'icmp', IcmpTypeCode: { Type: -1, Code: 0 } }, 'InvalidParameterValue'],
    [{ Protocol: '58', IcmpTypeCode: { Type: -1, Code: -1 } }, 'InvalidParameterCombination'],
    [{ CidrBlock: undefined }, 'MissingParameter'],
    [{ CidrBlock: 'everywhere' }, 'InvalidParameterValue'],
    [{ Ipv6CidrBlock: '::/0' }, 'InvalidParameterCombination'],
    [{ NetworkAclId: newId('networkAcl') }, 'InvalidNetworkAclID.NotFound'],
    [{ NetworkAclId: 'acl-x' }, 'InvalidNetworkAclId.Malformed'],
    [{ DryRun: true }, 'DryRunOperation'],
  ])('%j answer %s', async (change, code) => {
    await expect(createNetworkAclEntry(net.ctx, { ...entry, ...change })).rejects.toThrow(refusal(code));
    expect(entries()).toEqual([]);
  });

  test('have a number of their own in each direction', async () => {
    await createNetworkAclEntry(net.ctx, entry);
    await createNetworkAclEntry(net.ctx, { ...entry, Egress: true });
    await expect(createNetworkAclEntry(net.ctx, entry)).rejects.toThrow(
      refusal('NetworkAclEntryAlreadyExists', 'The network acl entry identified by 100 already exists.'),
    );
  });

  test('are replaced as a whole, and deleted', async () => {
    const missing = refusal('InvalidNetworkAclEntry.NotFound', 'identified by 100');
    await expect(replaceNetworkAclEntry(net.ctx, entry)).rejects.toThrow(missing);
    await createNetworkAclEntry(net.ctx, entry);
    await expect(replaceNetworkAclEntry(net.ctx, { ...entry, Egress: true })).rejects.toThrow(missing);
    await replaceNetworkAclEntry(net.ctx, { ...entry, Protocol: '-1', RuleAction: 'deny' });
    expect(entries()).toMatchObject([
      { ruleNumber: 100, protocol: '-1', ruleAction: 'deny', portRange: null },
    ]);
    await expect(
      deleteNetworkAclEntry(net.ctx, { NetworkAclId, RuleNumber: 100, Egress: true }),
    ).rejects.toThrow(missing);
    await expect(
      deleteNetworkAclEntry(net.ctx, { NetworkAclId, RuleNumber: 32_767, Egress: false }),
    ).rejects.toThrow(refusal('InvalidParameterValue'));
    await deleteNetworkAclEntry(net.ctx, { NetworkAclId, RuleNumber: 100, Egress: false });
    expect(entries()).toEqual([]);
  });
});

describe('associations', () => {
  test('move a subnet from one ACL to another', async () => {
    const before = net.subnetRecord(subnetId).networkAcl;
    const { NewAssociationId } = await replaceNetworkAclAssociation(net.ctx, {
      AssociationId: before.associationId,
      NetworkAclId,
    });
    expect(NewAssociationId).not.toBe(before.associationId);
    expect((await shown()).Associations).toEqual([
      { NetworkAclAssociationId: NewAssociationId, NetworkAclId, SubnetId: subnetId },
    ]);
    expect((await shown(before.networkAclId)).Associations).toEqual([]);
    await expect(
      replaceNetworkAclAssociation(net.ctx, { AssociationId: before.associationId, NetworkAclId }),
    ).rejects.toThrow(refusal('InvalidAssociationID.NotFound'));
  });

  test('stay within a VPC', async () => {
    const other = createNetworkAcl(net.ctx, { VpcId: await net.vpc() }).NetworkAcl?.NetworkAclId ?? '';
    const AssociationId = net.subnetRecord(subnetId).networkAcl.associationId;
    await expect(
      replaceNetworkAclAssociation(net.ctx, { AssociationId, NetworkAclId: other }),
    ).rejects.toThrow(refusal('InvalidParameterValue', 'belong to different networks'));
    await expect(
      replaceNetworkAclAssociation(net.ctx, { AssociationId, NetworkAclId: newId('networkAcl') }),
    ).rejects.toThrow(refusal('InvalidNetworkAclID.NotFound'));
  });
});

test('an ACL is deleted when it is no default and no subnet uses it', async () => {
  const { networkAclId, associationId } = net.subnetRecord(subnetId).networkAcl;
  expect(() => deleteNetworkAcl(net.ctx, { NetworkAclId: networkAclId })).toThrow(
    refusal('InvalidParameterValue', `cannot delete default network ACL ${networkAclId}`),
  );
  const { NewAssociationId } = await replaceNetworkAclAssociation(net.ctx, {
    AssociationId: associationId,
    NetworkAclId,
  });
  expect(() => deleteNetworkAcl(net.ctx, { NetworkAclId })).toThrow(refusal('DependencyViolation', subnetId));
  await replaceNetworkAclAssociation(net.ctx, {
    AssociationId: NewAssociationId,
    NetworkAclId: networkAclId,
  });
  deleteNetworkAcl(net.ctx, { NetworkAclId });
  expect(() => deleteNetworkAcl(net.ctx, { NetworkAclId })).toThrow(refusal('InvalidNetworkAclID.NotFound'));
});

test('ACLs are found by what is in them', async () => {
  await createNetworkAclEntry(net.ctx, entry);
  await createNetworkAclEntry(net.ctx, {
    ...entry,
    RuleNumber: 110,
    Protocol: 'icmp',
    IcmpTypeCode: { Type: 8, Code: 0 },
  });
  for (const [Name, value] of [
    ['default', 'false'],
    ['entry.port-range.from', '443'],
    ['entry.icmp.type', '8'],
    ['entry.icmp.code', '0'],
    ['entry.protocol', '6'],
    ['entry.rule-number', '110'],
    ['network-acl-id', NetworkAclId],
  ] as const) {
    const { NetworkAcls = [] } = await describeNetworkAcls(net.ctx, { Filters: [{ Name, Values: [value] }] });
    expect({ [Name]: NetworkAcls.map((acl) => acl.NetworkAclId) }).toEqual({ [Name]: [NetworkAclId] });
  }
  const { NetworkAcls = [] } = await describeNetworkAcls(net.ctx, {
    Filters: [{ Name: 'association.subnet-id', Values: [subnetId] }],
  });
  expect(NetworkAcls).toMatchObject([{ IsDefault: true, VpcId: vpcId }]);
});
