// Rules of groups from their making to their end: identity, grouping, limits, and nothing half-made.
import { beforeEach, describe, expect, test } from 'vitest';
import type { SecurityGroupId } from '../../../../src/core/ids.ts';
import {
  authorizeSecurityGroupEgress,
  authorizeSecurityGroupIngress,
} from '../../../../src/ec2/security-groups/authorize-security-group-ingress.ts';
import { RULES_PER_DIRECTION } from '../../../../src/ec2/security-groups/check-rule-count.ts';
import { createSecurityGroup } from '../../../../src/ec2/security-groups/create-security-group.ts';
import { describeSecurityGroupRules } from '../../../../src/ec2/security-groups/describe-security-group-rules.ts';
import { describeSecurityGroups } from '../../../../src/ec2/security-groups/describe-security-groups.ts';
import { modifySecurityGroupRules } from '../../../../src/ec2/security-groups/modify-security-group-rules.ts';
import {
  revokeSecurityGroupEgress,
  revokeSecurityGroupIngress,
} from '../../../../src/ec2/security-groups/revoke-security-group-ingress.ts';
import {
  updateSecurityGroupRuleDescriptionsEgress,
  updateSecurityGroupRuleDescriptionsIngress,
} from '../../../../src/ec2/security-groups/update-security-group-rule-descriptions-ingress.ts';
import { createManagedPrefixList } from '../../../../src/ec2/prefix-lists/create-managed-prefix-list.ts';
import { vpcPeeringConnections } from '../../../../src/store/gateways.ts';
import { securityGroups, type SecurityGroup } from '../../../../src/store/security-groups.ts';
import { tagsOf } from '../../../../src/store/tags.ts';
import type { Vpc } from '../../../../src/store/vpcs.ts';
import { networkLab } from '../../../support/network-lab.ts';

const lab = networkLab();
let vpc: Vpc;
let GroupId: SecurityGroupId;
beforeEach(async () => {
  vpc = lab.vpc('10.0.0.0/16', { isDefault: true });
  const made = await createSecurityGroup(lab.ctx, {
    GroupName: 'web',
    Description: 'for a test',
    VpcId: vpc.vpcId,
  });
  GroupId = made.GroupId as SecurityGroupId;
});

const SSH = { IpProtocol: 'tcp', FromPort: 22, ToPort: 22 };
const HTTP = { IpProtocol: 'tcp', FromPort: 80, ToPort: 80 };
const OFFICE = { IpRanges: [{ CidrIp: '192.0.2.0/24', Description: 'office' }] };
const ALL = { IpRanges: [{ CidrIp: '0.0.0.0/0' }] };

const group = (): SecurityGroup => securityGroups.get(lab.ctx.db, GroupId) as SecurityGroup;
const shown = async () =>
  (await describeSecurityGroups(lab.ctx, { GroupIds: [GroupId] })).SecurityGroups?.[0] ?? {};
const allow = async (...IpPermissions: object[]): Promise<string[]> => {
  const { SecurityGroupRules = [] } = await authorizeSecurityGroupIngress(lab.ctx, {
    GroupId,
    IpPermissions,
  });
  return SecurityGroupRules.flatMap(({ SecurityGroupRuleId }) => SecurityGroupRuleId ?? []);
};

describe('a new rule', () => {
  test('is answered with its id, its content and its tags', async () => {
    const TagSpecifications = [
      { ResourceType: 'security-group-rule' as const, Tags: [{ Key: 'Name', Value: 'ssh' }] },
    ];
    const { Return, SecurityGroupRules } = await authorizeSecurityGroupIngress(lab.ctx, {
      GroupId,
      IpPermissions: [{ ...SSH, ...OFFICE }],
      TagSpecifications,
    });
    expect(Return).toBe(true);
    expect(SecurityGroupRules).toEqual([
      {
        SecurityGroupRuleId: expect.stringMatching(/^sgr-[0-9a-f]{17}$/),
        GroupId,
        GroupOwnerId: lab.ctx.ownerId,
        IsEgress: false,
        IpProtocol: 'tcp',
        FromPort: 22,
        ToPort: 22,
        CidrIpv4: '192.0.2.0/24',
        Description: 'office',
        Tags: [{ Key: 'Name', Value: 'ssh' }],
        SecurityGroupRuleArn: expect.stringContaining(':security-group-rule/sgr-'),
      },
    ]);
  });

  test('that is there already is an error in EC2’s words, whatever its description', async () => {
    await allow({ ...SSH, ...ALL });
    await expect(allow({ ...SSH, IpRanges: [{ CidrIp: '0.0.0.0/0', Description: 'x' }] })).rejects.toThrow(
      expect.objectContaining({
        code: 'InvalidPermission.Duplicate',
        message:
          'the specified rule "peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW" already exists',
      }),
    );
    await expect(
      authorizeSecurityGroupEgress(lab.ctx, { GroupId, IpPermissions: [{ IpProtocol: '-1', ...ALL }] }),
    ).rejects.toThrow('the specified rule "peer: 0.0.0.0/0, ALL, ALLOW" already exists');
  });

  test('is a duplicate in its canonical form too', async () => {
    await allow({ ...SSH, IpRanges: [{ CidrIp: '100.68.0.0/18' }] });
    await expect(allow({ ...SSH, IpRanges: [{ CidrIp: '100.68.0.18/18' }] })).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidPermission.Duplicate' }),
    );
  });

  test('is made with all others of its request, or none is', async () => {
    await allow({ ...SSH, ...ALL });
    await expect(allow({ ...HTTP, ...ALL }, { ...SSH, ...ALL })).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidPermission.Duplicate' }),
    );
    expect(group().rules.filter(({ isEgress }) => !isEgress)).toHaveLength(1);
  });

  test('may be asked for only: nothing is made', async () => {
    const before = group();
    await expect(
      authorizeSecurityGroupIngress(lab.ctx, { GroupId, IpPermissions: [{ ...SSH, ...ALL }], DryRun: true }),
    ).rejects.toThrow(expect.objectContaining({ code: 'DryRunOperation' }));
    expect(group()).toEqual(before);
  });

  test('cannot carry tags of another kind', async () => {
    await expect(
      authorizeSecurityGroupIngress(lab.ctx, {
        GroupId,
        IpPermissions: [{ ...SSH, ...ALL }],
        TagSpecifications: [{ ResourceType: 'instance', Tags: [] }],
      }),
    ).rejects.toThrow(expect.objectContaining({ code: 'InvalidParameterValue' }));
  });

  test('of the default VPC’s group may name it by its name', async () => {
    await authorizeSecurityGroupIngress(lab.ctx, { GroupName: 'web', ...SSH, CidrIp: '10.0.0.0/8' });
    expect(group().rules).toHaveLength(2);
    await expect(
      authorizeSecurityGroupIngress(lab.ctx, { GroupName: 'nothing', ...SSH, CidrIp: '10.0.0.0/8' }),
    ).rejects.toThrow(expect.objectContaining({ code: 'InvalidGroup.NotFound' }));
    await expect(authorizeSecurityGroupIngress(lab.ctx, { ...SSH, CidrIp: '10.0.0.0/8' })).rejects.toThrow(
      expect.objectContaining({ code: 'MissingParameter' }),
    );
  });
});

describe('the number of rules', () => {
  const many = (count: number, first = 0): object => ({
    ...SSH,
    IpRanges: Array.from({ length: count }, (_, index) => ({
      CidrIp: `100.${Math.floor((first + index) / 256)}.${(first + index) % 256}.0/24`,
    })),
  });

  test('is limited for each direction by itself', async () => {
    await allow(many(RULES_PER_DIRECTION));
    await expect(allow({ ...HTTP, ...ALL })).rejects.toThrow(
      expect.objectContaining({
        code: 'RulesPerSecurityGroupLimitExceeded',
        message: expect.stringContaining(`would have ${RULES_PER_DIRECTION + 1} inbound ones`),
      }),
    );
    await authorizeSecurityGroupEgress(lab.ctx, { GroupId, IpPermissions: [{ ...HTTP, ...ALL }] });
    expect(group().rules).toHaveLength(RULES_PER_DIRECTION + 2);
  });

  test('counts what a prefix list may have, not what it has', async () => {
    const { PrefixList } = createManagedPrefixList(lab.ctx, {
      PrefixListName: 'big',
      AddressFamily: 'IPv4',
      MaxEntries: 900,
    });
    await allow({ ...SSH, PrefixListIds: [{ PrefixListId: PrefixList?.PrefixListId }] }, many(100));
    await expect(allow(many(1, 500))).rejects.toThrow(
      expect.objectContaining({ code: 'RulesPerSecurityGroupLimitExceeded' }),
    );
  });
});

describe('a group shows', () => {
  test('one permission for each protocol and range, with all its peers in order', async () => {
    const data = lab.group(vpc, 'data');
    await allow({ ...SSH, ...OFFICE }, { ...HTTP, ...ALL });
    await allow({
      ...SSH,
      IpRanges: [{ CidrIp: '10.0.0.0/8' }],
      Ipv6Ranges: [{ CidrIpv6: 'fd00::/8' }],
      UserIdGroupPairs: [{ GroupId: data.groupId }],
    });
    expect((await shown()).IpPermissions).toEqual([
      {
        ...SSH,
        IpRanges: [{ CidrIp: '192.0.2.0/24', Description: 'office' }, { CidrIp: '10.0.0.0/8' }],
        Ipv6Ranges: [{ CidrIpv6: 'fd00::/8' }],
        PrefixListIds: [],
        UserIdGroupPairs: [{ GroupId: data.groupId, UserId: lab.ctx.ownerId }],
      },
      { ...HTTP, ...ALL, Ipv6Ranges: [], PrefixListIds: [], UserIdGroupPairs: [] },
    ]);
  });

  test('no ports for every protocol, and -1 for them in a single rule', async () => {
    const { IpPermissionsEgress } = await shown();
    expect(IpPermissionsEgress).toEqual([
      { IpProtocol: '-1', ...ALL, Ipv6Ranges: [], PrefixListIds: [], UserIdGroupPairs: [] },
    ]);
    const { SecurityGroupRules } = await describeSecurityGroupRules(lab.ctx, {
      Filters: [{ Name: 'group-id', Values: [GroupId] }],
    });
    expect(SecurityGroupRules).toMatchObject([
      { IsEgress: true, IpProtocol: '-1', FromPort: -1, ToPort: -1, CidrIpv4: '0.0.0.0/0' },
    ]);
  });

  test('whether a group behind a peering can still be reached', async () => {
    const other = lab.vpc('10.1.0.0/16');
    const elsewhere = lab.group(other, 'elsewhere');
    const VpcPeeringConnectionId = lab.peering(vpc, other);
    await allow({ ...SSH, UserIdGroupPairs: [{ GroupId: elsewhere.groupId }] });
    const pair = async () => (await shown()).IpPermissions?.[0]?.UserIdGroupPairs?.[0];
    expect(await pair()).toEqual({
      GroupId: elsewhere.groupId,
      UserId: lab.ctx.ownerId,
      VpcId: other.vpcId,
      VpcPeeringConnectionId,
      PeeringStatus: 'active',
    });
    vpcPeeringConnections.remove(lab.ctx.db, VpcPeeringConnectionId);
    expect(await pair()).toMatchObject({ PeeringStatus: 'deleted' });
    securityGroups.remove(lab.ctx.db, elsewhere.groupId);
    expect(await pair()).toMatchObject({ GroupId: elsewhere.groupId, PeeringStatus: 'deleted' });
    // What cannot be reached can be taken back all the same.
    await revokeSecurityGroupIngress(lab.ctx, {
      GroupId,
      IpPermissions: [{ ...SSH, UserIdGroupPairs: [{ GroupId: elsewhere.groupId }] }],
    });
    expect(await pair()).toBeUndefined();
  });

  test.each([
    ['ip-permission.cidr', '192.0.2.*', 1],
    ['ip-permission.from-port', '22', 1],
    ['ip-permission.to-port', '23', 0],
    ['ip-permission.protocol', 'tcp', 1],
    ['ip-permission.group-name', 'data', 1],
    ['ip-permission.ipv6-cidr', 'fd00::/8', 1],
    ['ip-permission.protocol', '-1', 0],
    ['egress.ip-permission.protocol', '-1', 1],
    ['egress.ip-permission.cidr', '0.0.0.0/0', 1],
    ['egress.ip-permission.from-port', '22', 0],
    ['group-name', 'we?', 1],
    ['owner-id', '0*', 1],
  ])('itself by the filter %s=%s: %d', async (Name, value, count) => {
    const data = lab.group(vpc, 'data');
    await allow({ ...SSH, ...OFFICE, Ipv6Ranges: [{ CidrIpv6: 'fd00::/8' }] });
    await allow({ ...HTTP, UserIdGroupPairs: [{ GroupId: data.groupId }] });
    const { SecurityGroups = [] } = await describeSecurityGroups(lab.ctx, {
      GroupIds: [GroupId],
      Filters: [{ Name, Values: [value] }],
    });
    expect(SecurityGroups).toHaveLength(count);
  });
});

describe('a rule is taken back', () => {
  test('by what it says, in any notation; what was taken back is answered', async () => {
    const [SecurityGroupRuleId] = await allow({ ...SSH, ...OFFICE });
    const { Return, RevokedSecurityGroupRules } = await revokeSecurityGroupIngress(lab.ctx, {
      GroupId,
      IpPermissions: [{ IpProtocol: '6', FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: '192.0.2.7/24' }] }],
    });
    expect(Return).toBe(true);
    expect(RevokedSecurityGroupRules).toEqual([
      {
        SecurityGroupRuleId,
        GroupId,
        IsEgress: false,
        ...SSH,
        CidrIpv4: '192.0.2.0/24',
        Description: 'office',
      },
    ]);
    expect(group().rules).toHaveLength(1);
  });

  test('for every protocol although ports are given, and only if it is there', async () => {
    const everything = { IpProtocol: '-1', FromPort: 0, ToPort: 0 };
    await revokeSecurityGroupEgress(lab.ctx, { GroupId, IpPermissions: [{ ...everything, ...ALL }] });
    expect(group().rules).toEqual([]);
    await expect(
      revokeSecurityGroupEgress(lab.ctx, {
        GroupId,
        IpPermissions: [{ ...everything, Ipv6Ranges: [{ CidrIpv6: '::/0' }] }],
      }),
    ).rejects.toThrow(
      expect.objectContaining({
        code: 'InvalidPermission.NotFound',
        message: 'The specified rule does not exist in this security group.',
      }),
    );
  });

  test('by its id, with its tags', async () => {
    const { SecurityGroupRules = [] } = await authorizeSecurityGroupIngress(lab.ctx, {
      GroupId,
      IpPermissions: [{ ...SSH, ...ALL }],
      TagSpecifications: [{ ResourceType: 'security-group-rule', Tags: [{ Key: 'a', Value: 'b' }] }],
    });
    const [{ SecurityGroupRuleId: id = '' } = {}] = SecurityGroupRules;
    await revokeSecurityGroupIngress(lab.ctx, { GroupId, SecurityGroupRuleIds: [id, id] });
    expect(group().rules).toHaveLength(1);
    expect(tagsOf(lab.ctx.db, id)).toEqual({});
  });

  test.each([
    ['sgr-0123456789abcdef0', 'InvalidSecurityGroupRuleId.NotFound'],
    ['sgr-x', 'InvalidSecurityGroupRuleId.Malformed'],
  ])('not by the id %s', async (id, code) => {
    await expect(
      revokeSecurityGroupIngress(lab.ctx, { GroupId, SecurityGroupRuleIds: [id] }),
    ).rejects.toThrow(expect.objectContaining({ code }));
    await expect(describeSecurityGroupRules(lab.ctx, { SecurityGroupRuleIds: [id] })).rejects.toThrow(
      expect.objectContaining({ code }),
    );
  });

  test('not by the other direction, nor together with another that is not there', async () => {
    const [id = ''] = await allow({ ...SSH, ...ALL });
    await expect(revokeSecurityGroupEgress(lab.ctx, { GroupId, SecurityGroupRuleIds: [id] })).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidSecurityGroupRuleId.NotFound' }),
    );
    await expect(
      revokeSecurityGroupIngress(lab.ctx, {
        GroupId,
        IpPermissions: [
          { ...SSH, ...ALL },
          { ...HTTP, ...ALL },
        ],
      }),
    ).rejects.toThrow(expect.objectContaining({ code: 'InvalidPermission.NotFound' }));
    await expect(
      revokeSecurityGroupIngress(lab.ctx, {
        GroupId,
        IpPermissions: [{ ...SSH, ...ALL }],
        SecurityGroupRuleIds: [id],
      }),
    ).rejects.toThrow(expect.objectContaining({ code: 'InvalidParameterCombination' }));
    expect(group().rules).toHaveLength(2);
  });
});

describe('a rule is changed', () => {
  const change = async (SecurityGroupRuleId: string, SecurityGroupRule: object): Promise<unknown> =>
    modifySecurityGroupRules(lab.ctx, {
      GroupId,
      SecurityGroupRules: [{ SecurityGroupRuleId, SecurityGroupRule }],
    });

  test('as a whole, and keeps its id and its place', async () => {
    const [id = ''] = await allow({ ...SSH, ...OFFICE }, { ...HTTP, ...ALL });
    await change(id, { IpProtocol: 'udp', FromPort: 53, ToPort: 54, CidrIpv4: '198.51.100.9/24' });
    expect(group().rules[1]).toEqual({
      securityGroupRuleId: id,
      isEgress: false,
      ipProtocol: 'udp',
      fromPort: 53,
      toPort: 54,
      peer: { kind: 'ipv4', cidr: '198.51.100.0/24' },
      description: null,
    });
  });

  test('not into one that is there, but into itself', async () => {
    const [first = ''] = await allow({ ...SSH, ...ALL }, { ...HTTP, ...ALL });
    await expect(change(first, { ...HTTP, CidrIpv4: '0.0.0.0/0' })).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidPermission.Duplicate' }),
    );
    await change(first, { ...SSH, CidrIpv4: '0.0.0.0/0', Description: 'again' });
    expect(group().rules[1]?.description).toBe('again');
  });

  test('two may change places in one request', async () => {
    const [a = '', b = ''] = await allow({ ...SSH, ...ALL }, { ...HTTP, ...ALL });
    const everywhere = { CidrIpv4: '0.0.0.0/0' };
    await modifySecurityGroupRules(lab.ctx, {
      GroupId,
      SecurityGroupRules: [
        { SecurityGroupRuleId: a, SecurityGroupRule: { ...HTTP, ...everywhere } },
        { SecurityGroupRuleId: b, SecurityGroupRule: { ...SSH, ...everywhere } },
      ],
    });
    expect(
      group()
        .rules.slice(1)
        .map(({ fromPort }) => fromPort),
    ).toEqual([80, 22]);
  });

  test.each([
    [{ ...SSH, CidrIpv6: '::/0' }, 'InvalidParameterValue', 'an IPv6 CIDR for an existing IPv4 CIDR rule'],
    [{ ...SSH }, 'MissingParameter', 'exactly one of'],
    [{ ...SSH, CidrIpv4: '0.0.0.0/0', CidrIpv6: '::/0' }, 'InvalidParameterCombination', 'exactly one of'],
    [{ ...SSH, CidrIpv4: 'x' }, 'InvalidParameterValue', '(x)'],
  ])('not into %j', async (wanted, code, part) => {
    const [id = ''] = await allow({ ...SSH, ...ALL });
    await expect(change(id, wanted)).rejects.toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(part) }),
    );
    expect(group().rules).toHaveLength(2);
  });

  test('not into a group where it was a block', async () => {
    const [id = ''] = await allow({ ...SSH, ...ALL });
    await expect(change(id, { ...SSH, ReferencedGroupId: GroupId })).rejects.toThrow(
      'You may not specify a referenced group id for an existing IPv4 CIDR rule',
    );
  });

  test('not twice at once', async () => {
    const [id = ''] = await allow({ ...SSH, ...ALL });
    const again = { SecurityGroupRuleId: id, SecurityGroupRule: { ...HTTP, CidrIpv4: '0.0.0.0/0' } };
    const before = group();
    await expect(
      modifySecurityGroupRules(lab.ctx, { GroupId, SecurityGroupRules: [again, again] }),
    ).rejects.toThrow(expect.objectContaining({ code: 'InvalidParameterValue' }));
    expect(group()).toEqual(before);
  });

  test('not when it is not there, or nothing is said', async () => {
    await expect(change('sgr-0123456789abcdef0', { ...SSH, CidrIpv4: '0.0.0.0/0' })).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidSecurityGroupRuleId.NotFound' }),
    );
    await expect(modifySecurityGroupRules(lab.ctx, { GroupId })).rejects.toThrow(
      expect.objectContaining({ code: 'MissingParameter' }),
    );
  });
});

describe('a description is changed', () => {
  test('by what the rule says, or by its id; without one it goes', async () => {
    const [id = ''] = await allow({ ...SSH, ...OFFICE });
    updateSecurityGroupRuleDescriptionsIngress(lab.ctx, {
      GroupId,
      IpPermissions: [{ ...SSH, IpRanges: [{ CidrIp: '192.0.2.0/24', Description: 'Lyon' }] }],
    });
    expect(group().rules[1]?.description).toBe('Lyon');
    const byId = (Description?: string): unknown =>
      updateSecurityGroupRuleDescriptionsIngress(lab.ctx, {
        GroupId,
        SecurityGroupRuleDescriptions: [{ SecurityGroupRuleId: id, Description }],
      });
    expect(byId('Oslo')).toEqual({ Return: true });
    expect(group().rules[1]?.description).toBe('Oslo');
    byId();
    expect(group().rules[1]?.description).toBeNull();
  });

  test('of the direction that is named, and only of rules that are there', async () => {
    const permission = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0', Description: 'out' }] };
    updateSecurityGroupRuleDescriptionsEgress(lab.ctx, { GroupId, IpPermissions: [permission] });
    expect(group().rules[0]?.description).toBe('out');
    expect(() =>
      updateSecurityGroupRuleDescriptionsIngress(lab.ctx, { GroupId, IpPermissions: [permission] }),
    ).toThrow(expect.objectContaining({ code: 'InvalidPermission.NotFound' }));
    expect(() =>
      updateSecurityGroupRuleDescriptionsIngress(lab.ctx, {
        GroupId,
        SecurityGroupRuleDescriptions: [{ SecurityGroupRuleId: group().rules[0]?.securityGroupRuleId }],
      }),
    ).toThrow(expect.objectContaining({ code: 'InvalidSecurityGroupRuleId.NotFound' }));
  });
});
