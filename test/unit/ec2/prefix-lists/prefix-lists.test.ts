// Prefix lists: versions, sizes, and who holds them.
import { beforeEach, describe, expect, test } from 'vitest';
import { createManagedPrefixList } from '../../../../src/ec2/prefix-lists/create-managed-prefix-list.ts';
import { deleteManagedPrefixList } from '../../../../src/ec2/prefix-lists/delete-managed-prefix-list.ts';
import { describeManagedPrefixLists } from '../../../../src/ec2/prefix-lists/describe-managed-prefix-lists.ts';
import { getManagedPrefixListEntries } from '../../../../src/ec2/prefix-lists/get-managed-prefix-list-entries.ts';
import { modifyManagedPrefixList } from '../../../../src/ec2/prefix-lists/modify-managed-prefix-list.ts';
import { authorizeSecurityGroupIngress } from '../../../../src/ec2/security-groups/authorize-security-group-ingress.ts';
import { revokeSecurityGroupIngress } from '../../../../src/ec2/security-groups/revoke-security-group-ingress.ts';
import { prefixLists } from '../../../../src/store/security-groups.ts';
import { tagsOf } from '../../../../src/store/tags.ts';
import { networkLab } from '../../../support/network-lab.ts';

const lab = networkLab();
let PrefixListId = '';
beforeEach(() => {
  PrefixListId = create().PrefixList?.PrefixListId ?? '';
});

function create(request: object = {}) {
  return createManagedPrefixList(lab.ctx, {
    PrefixListName: 'offices',
    AddressFamily: 'IPv4',
    MaxEntries: 3,
    Entries: [{ Cidr: '192.0.2.9/24', Description: 'Lyon' }],
    ...request,
  });
}

const modify = async (request: object) => modifyManagedPrefixList(lab.ctx, { PrefixListId, ...request });
const entries = () => getManagedPrefixListEntries(lab.ctx, { PrefixListId }).Entries;
const use = async (): Promise<{ GroupId: string; IpPermissions: object[] }> => {
  const { groupId } = lab.group(lab.vpc('10.0.0.0/16'), 'web');
  const request = {
    GroupId: groupId,
    IpPermissions: [{ IpProtocol: '-1', PrefixListIds: [{ PrefixListId }] }],
  };
  await authorizeSecurityGroupIngress(lab.ctx, request);
  return request;
};

describe('a new list', () => {
  test('has its entries in canonical form, and version 1', () => {
    expect(entries()).toEqual([{ Cidr: '192.0.2.0/24', Description: 'Lyon' }]);
    expect(describeManagedPrefixLists(lab.ctx, { PrefixListIds: [PrefixListId] }).PrefixLists).toEqual([
      {
        PrefixListId,
        PrefixListName: 'offices',
        AddressFamily: 'IPv4',
        State: 'create-complete',
        PrefixListArn: `arn:aws:ec2:us-east-1:${lab.ctx.ownerId}:prefix-list/${PrefixListId}`,
        MaxEntries: 3,
        Version: 1,
        OwnerId: lab.ctx.ownerId,
        Tags: [],
      },
    ]);
  });

  test.each([
    [{ PrefixListName: undefined }, 'MissingParameter'],
    [{ PrefixListName: 'com.amazonaws.us-east-1.s3' }, 'InvalidParameterValue'],
    [{ PrefixListName: 'a'.repeat(256) }, 'InvalidParameterValue'],
    [{ AddressFamily: undefined }, 'MissingParameter'],
    [{ AddressFamily: 'ipv4' }, 'InvalidParameterValue'],
    [{ MaxEntries: undefined }, 'MissingParameter'],
    [{ MaxEntries: 0 }, 'InvalidParameterValue'],
    [{ MaxEntries: 1001 }, 'InvalidParameterValue'],
    [{ MaxEntries: 1.5 }, 'InvalidParameterValue'],
    [{ Entries: [{ Cidr: '::/0' }] }, 'InvalidParameterValue'],
    [{ AddressFamily: 'IPv6' }, 'InvalidParameterValue'],
    [{ Entries: [{ Cidr: '10.0.0.1/8' }, { Cidr: '10.0.0.2/8' }] }, 'InvalidParameterValue'],
    [{ Entries: [{ Cidr: '10.0.0.0/8', Description: 'a\nb' }] }, 'InvalidParameterValue'],
    [
      { MaxEntries: 1, Entries: [{ Cidr: '10.0.0.0/8' }, { Cidr: '11.0.0.0/8' }] },
      'PrefixListMaxEntriesExceeded',
    ],
    [
      { MaxEntries: 200, Entries: Array.from({ length: 101 }, (_, i) => ({ Cidr: `10.0.${i}.0/24` })) },
      'InvalidParameterValue',
    ],
    [{ DryRun: true }, 'DryRunOperation'],
  ])('cannot be %j', (request, code) => {
    expect(() => create(request)).toThrow(expect.objectContaining({ code }));
    expect(prefixLists.list(lab.ctx.db)).toHaveLength(1);
  });

  test('may be of IPv6', () => {
    const { PrefixList } = create({ AddressFamily: 'IPv6', Entries: [{ Cidr: '2001:DB8::1/32' }] });
    const id = PrefixList?.PrefixListId ?? '';
    expect(getManagedPrefixListEntries(lab.ctx, { PrefixListId: id }).Entries).toEqual([
      { Cidr: '2001:db8::/32' },
    ]);
  });
});

describe('entries', () => {
  test('are added and removed in a new version', async () => {
    const { PrefixList } = await modify({
      CurrentVersion: 1,
      AddEntries: [{ Cidr: '198.51.100.0/24' }, { Cidr: '203.0.113.0/24' }],
      RemoveEntries: [{ Cidr: '192.0.2.0/24' }],
    });
    expect(PrefixList).toMatchObject({ Version: 2, State: 'modify-complete' });
    expect(entries()).toEqual([{ Cidr: '198.51.100.0/24' }, { Cidr: '203.0.113.0/24' }]);
  });

  test('get another description by being added again, in their place', async () => {
    await modify({ CurrentVersion: 1, AddEntries: [{ Cidr: '10.0.0.0/8' }] });
    await modify({ CurrentVersion: 2, AddEntries: [{ Cidr: '192.0.2.0/24', Description: 'Oslo' }] });
    expect(entries()).toEqual([{ Cidr: '192.0.2.0/24', Description: 'Oslo' }, { Cidr: '10.0.0.0/8' }]);
  });

  test.each([
    [{ AddEntries: [{ Cidr: '10.0.0.0/8' }] }, 'MissingParameter', 'currentVersion'],
    [
      { CurrentVersion: 2, AddEntries: [{ Cidr: '10.0.0.0/8' }] },
      'PrefixListVersionMismatch',
      'is at version 1, not 2',
    ],
    [
      { CurrentVersion: 1, RemoveEntries: [{ Cidr: '10.0.0.0/8' }] },
      'InvalidPrefixListModification',
      'does not exist.',
    ],
    [
      {
        CurrentVersion: 1,
        AddEntries: [{ Cidr: '192.0.2.0/24' }],
        RemoveEntries: [{ Cidr: '192.0.2.0/24' }],
      },
      'InvalidParameterCombination',
      '192.0.2.0/24',
    ],
    [
      { CurrentVersion: 1, MaxEntries: 9, AddEntries: [{ Cidr: '10.0.0.0/8' }] },
      'InvalidParameterCombination',
      'at the same time',
    ],
    [
      { CurrentVersion: 1, AddEntries: ['10', '11', '12'].map((n) => ({ Cidr: `${n}.0.0.0/8` })) },
      'PrefixListMaxEntriesExceeded',
      '4, of 3',
    ],
    [{ MaxEntries: 2000 }, 'InvalidParameterValue', '2000'],
  ])('do not change by %j', async (request, code, part) => {
    const before = prefixLists.get(lab.ctx.db, PrefixListId);
    await expect(modify(request)).rejects.toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(part) }),
    );
    expect(prefixLists.get(lab.ctx.db, PrefixListId)).toEqual(before);
  });

  test('of a former version are not kept', () => {
    expect(getManagedPrefixListEntries(lab.ctx, { PrefixListId, TargetVersion: 1 }).Entries).toHaveLength(1);
    expect(() => getManagedPrefixListEntries(lab.ctx, { PrefixListId, TargetVersion: 9 })).toThrow(
      expect.objectContaining({ code: 'UnsupportedOperation' }),
    );
  });
});

test('a name and a size change without a new version', async () => {
  await modify({ PrefixListName: 'sites' });
  const { PrefixList } = await modify({ MaxEntries: 1 });
  expect(PrefixList).toMatchObject({ PrefixListName: 'sites', MaxEntries: 1, Version: 1 });
  await modify({ CurrentVersion: 1, RemoveEntries: [{ Cidr: '192.0.2.0/24' }] });
});

test('a size cannot grow beyond what the groups that use it have room for', async () => {
  const { GroupId } = await use();
  await authorizeSecurityGroupIngress(lab.ctx, {
    GroupId,
    IpPermissions: [
      { IpProtocol: '-1', IpRanges: Array.from({ length: 200 }, (_, i) => ({ CidrIp: `10.0.${i}.0/24` })) },
    ],
  });
  await expect(modify({ MaxEntries: 801 })).rejects.toThrow(
    expect.objectContaining({ code: 'RulesPerSecurityGroupLimitExceeded' }),
  );
  await modify({ MaxEntries: 800 });
});

describe('a list is removed', () => {
  test('with its tags, once no rule names it', async () => {
    const request = await use();
    expect(() => deleteManagedPrefixList(lab.ctx, { PrefixListId })).toThrow(
      expect.objectContaining({
        code: 'DependencyViolation',
        message: expect.stringContaining(request.GroupId),
      }),
    );
    await revokeSecurityGroupIngress(lab.ctx, request);
    expect(deleteManagedPrefixList(lab.ctx, { PrefixListId }).PrefixList?.State).toBe('delete-complete');
    expect(tagsOf(lab.ctx.db, PrefixListId)).toEqual({});
  });

  test.each([
    ['pl-0123456789abcdef0', 'InvalidPrefixListID.NotFound'],
    ['offices', 'InvalidPrefixListId.Malformed'],
  ])('not as %s', async (id, code) => {
    for (const work of [
      () => deleteManagedPrefixList(lab.ctx, { PrefixListId: id }),
      () => describeManagedPrefixLists(lab.ctx, { PrefixListIds: [id] }),
      () => getManagedPrefixListEntries(lab.ctx, { PrefixListId: id }),
    ])
      expect(work).toThrow(expect.objectContaining({ code }));
    await expect(modifyManagedPrefixList(lab.ctx, { PrefixListId: id })).rejects.toThrow(
      expect.objectContaining({ code }),
    );
  });
});
