// Groups: what they are made with, who holds them, how they are found.
import { beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import { createSecurityGroup } from '../../../../src/ec2/security-groups/create-security-group.ts';
import { deleteSecurityGroup } from '../../../../src/ec2/security-groups/delete-security-group.ts';
import { describeSecurityGroups } from '../../../../src/ec2/security-groups/describe-security-groups.ts';
import {
  resolveSecurityGroupId,
  resolveSecurityGroups,
} from '../../../../src/ec2/security-groups/resolve-security-groups.ts';
import { networkInterfaces } from '../../../../src/store/network-interfaces.ts';
import { securityGroups, type SecurityGroupRule } from '../../../../src/store/security-groups.ts';
import { putTags, tagsOf } from '../../../../src/store/tags.ts';
import type { Vpc } from '../../../../src/store/vpcs.ts';
import { networkLab } from '../../../support/network-lab.ts';

const lab = networkLab();
let vpc: Vpc;
beforeEach(() => {
  vpc = lab.vpc('10.0.0.0/16', { isDefault: true });
});

const create = async (request: object = {}) =>
  createSecurityGroup(lab.ctx, { GroupName: 'web', Description: 'the web', ...request });

const allowFrom = (groupId: `sg-${string}`, pcx: `pcx-${string}` | null = null): SecurityGroupRule => ({
  securityGroupRuleId: newId('securityGroupRule'),
  isEgress: false,
  ipProtocol: '-1',
  fromPort: null,
  toPort: null,
  peer: { kind: 'group', groupId, vpcPeeringConnectionId: pcx },
  description: null,
});

describe('a new group', () => {
  test('lets nothing in and everything out, and has its tags', async () => {
    const { GroupId = '', Tags } = await create({
      TagSpecifications: [{ ResourceType: 'security-group', Tags: [{ Key: 'team', Value: 'blue' }] }],
    });
    expect(Tags).toEqual([{ Key: 'team', Value: 'blue' }]);
    expect(securityGroups.get(lab.ctx.db, GroupId)).toMatchObject({
      vpcId: vpc.vpcId,
      rules: [{ isEgress: true, ipProtocol: '-1', peer: { kind: 'ipv4', cidr: '0.0.0.0/0' } }],
    });
  });

  test('lets IPv6 out where its VPC has that', async () => {
    const { vpcId } = lab.vpc('10.1.0.0/16', { ipv6: true });
    const { GroupId = '' } = await create({ VpcId: vpcId });
    expect(securityGroups.get(lab.ctx.db, GroupId)?.rules.map(({ peer }) => peer)).toEqual([
      { kind: 'ipv4', cidr: '0.0.0.0/0' },
      { kind: 'ipv6', cidr: '::/0' },
    ]);
  });

  test('has a name of its own in its VPC', async () => {
    await create();
    await expect(create()).rejects.toThrow(expect.objectContaining({ code: 'InvalidGroup.Duplicate' }));
    await create({ VpcId: lab.vpc('10.1.0.0/16').vpcId });
  });

  test.each([
    [{ GroupName: undefined }, 'MissingParameter', 'GroupName'],
    [{ GroupName: 'default' }, 'InvalidParameterValue', 'Cannot use reserved security group name: default'],
    [{ GroupName: 'sg-web' }, 'InvalidParameterValue', 'may not be in the format sg-*'],
    [{ GroupName: 'wéb' }, 'InvalidParameterValue', 'wéb'],
    [{ GroupName: 'a'.repeat(256) }, 'InvalidParameterValue', 'not a valid security group name'],
    [{ Description: '' }, 'MissingParameter', 'GroupDescription'],
    [{ Description: 'ümlaut' }, 'InvalidParameterValue', 'ümlaut'],
    [{ VpcId: 'vpc-0123456789abcdef0' }, 'InvalidVpcID.NotFound', 'vpc-0123456789abcdef0'],
    [{ VpcId: 'x' }, 'InvalidVpcID.Malformed', 'x'],
    [{ DryRun: true }, 'DryRunOperation', 'would have succeeded'],
  ])('cannot be %j', async (request, code, part) => {
    await expect(create(request)).rejects.toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(part) }),
    );
    expect(securityGroups.list(lab.ctx.db)).toHaveLength(1);
  });
});

describe('a group is removed', () => {
  test('with its tags and those of its rules', async () => {
    const { GroupId = '' } = await create({
      TagSpecifications: [{ ResourceType: 'security-group', Tags: [{ Key: 'a', Value: 'b' }] }],
    });
    const ruleId = securityGroups.get(lab.ctx.db, GroupId)?.rules[0]?.securityGroupRuleId ?? '';
    putTags(lab.ctx.db, ruleId, { c: 'd' });
    expect(await deleteSecurityGroup(lab.ctx, { GroupId })).toEqual({ Return: true, GroupId });
    expect([tagsOf(lab.ctx.db, GroupId), tagsOf(lab.ctx.db, ruleId)]).toEqual([{}, {}]);
  });

  test('by its name, in the default VPC', async () => {
    await create();
    await deleteSecurityGroup(lab.ctx, { GroupName: 'web' });
    await expect(deleteSecurityGroup(lab.ctx, { GroupName: 'web' })).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidGroup.NotFound' }),
    );
  });

  test('although it names itself', async () => {
    const { groupId, ...group } = lab.group(vpc, 'web');
    securityGroups.update(lab.ctx.db, { groupId, ...group, rules: [allowFrom(groupId)] });
    await deleteSecurityGroup(lab.ctx, { GroupId: groupId });
    expect(securityGroups.get(lab.ctx.db, groupId)).toBeUndefined();
  });

  test('not while another group of its VPC names it, which the error names', async () => {
    const [web, data] = [lab.group(vpc, 'web'), lab.group(vpc, 'data')];
    securityGroups.update(lab.ctx.db, { ...data, rules: [allowFrom(web.groupId)] });
    await expect(deleteSecurityGroup(lab.ctx, { GroupId: web.groupId })).rejects.toThrow(
      expect.objectContaining({
        code: 'DependencyViolation',
        message: `resource ${web.groupId} has a dependent object: ${data.groupId}`,
      }),
    );
  });

  test('although a group behind a peering names it, whose rule becomes stale', async () => {
    const other = lab.vpc('10.1.0.0/16');
    const [web, elsewhere] = [lab.group(vpc, 'web'), lab.group(other, 'elsewhere')];
    const rules = [allowFrom(web.groupId, lab.peering(vpc, other))];
    securityGroups.update(lab.ctx.db, { ...elsewhere, rules });
    await deleteSecurityGroup(lab.ctx, { GroupId: web.groupId });
    expect(securityGroups.get(lab.ctx.db, elsewhere.groupId)?.rules).toEqual(rules);
  });

  test('not while an interface is in it: the instance, or the interface, is named', async () => {
    const web = lab.group(vpc, 'web');
    const { instanceId } = lab.instance(lab.subnet(vpc, '10.0.0.0/24'), { securityGroupIds: [web.groupId] });
    const remove = async (): Promise<unknown> => deleteSecurityGroup(lab.ctx, { GroupId: web.groupId });
    await expect(remove()).rejects.toThrow(instanceId);
    const [primary] = lab.interfacesOf(instanceId);
    if (primary) networkInterfaces.update(lab.ctx.db, { ...primary, attachment: null });
    await expect(remove()).rejects.toThrow(primary?.networkInterfaceId);
  });

  test('not when it is a default one', async () => {
    const { groupId } = lab.defaultGroup(vpc);
    await expect(deleteSecurityGroup(lab.ctx, { GroupId: groupId })).rejects.toThrow(
      expect.objectContaining({
        code: 'CannotDelete',
        message: `the specified group: "${groupId}" name: "default" cannot be deleted by a user`,
      }),
    );
  });

  test.each([
    ['sg-0123456789abcdef0', 'InvalidGroup.NotFound'],
    ['web', 'InvalidGroupId.Malformed'],
  ])('not as %s', async (GroupId, code) => {
    await expect(deleteSecurityGroup(lab.ctx, { GroupId })).rejects.toThrow(
      expect.objectContaining({ code }),
    );
    await expect(describeSecurityGroups(lab.ctx, { GroupIds: [GroupId] })).rejects.toThrow(
      expect.objectContaining({ code }),
    );
  });
});

test('a name in a listing means a group of the default VPC', async () => {
  lab.group(lab.vpc('10.1.0.0/16'), 'elsewhere');
  const web = lab.group(vpc, 'web');
  const { SecurityGroups } = await describeSecurityGroups(lab.ctx, { GroupNames: ['web'] });
  expect(SecurityGroups?.map(({ GroupId }) => GroupId)).toEqual([web.groupId]);
  await expect(describeSecurityGroups(lab.ctx, { GroupNames: ['elsewhere'] })).rejects.toThrow(
    expect.objectContaining({ code: 'InvalidGroup.NotFound' }),
  );
});

describe('the groups of an interface', () => {
  test('are by id or name, each once; the default one when none is named', () => {
    const web = lab.group(vpc, 'web');
    const ids = (...references: string[]): string[] =>
      resolveSecurityGroups(lab.ctx.db, vpc.vpcId, references).map(({ groupId }) => groupId);
    expect(ids('web', 'web')).toEqual([web.groupId]);
    expect(ids(web.groupId)).toEqual([web.groupId]);
    expect(ids()).toEqual([lab.defaultGroup(vpc).groupId]);
  });

  test('are of its own VPC', () => {
    const elsewhere = lab.group(lab.vpc('10.1.0.0/16'), 'elsewhere');
    expect(() => resolveSecurityGroups(lab.ctx.db, vpc.vpcId, [elsewhere.groupId])).toThrow(
      expect.objectContaining({
        code: 'InvalidGroup.NotFound',
        message: expect.stringContaining('belong to different networks'),
      }),
    );
    expect(() => resolveSecurityGroups(lab.ctx.db, vpc.vpcId, ['elsewhere'])).toThrow(
      `The security group 'elsewhere' does not exist in VPC '${vpc.vpcId}'`,
    );
  });

  test('are 16 at most', () => {
    const names = Array.from({ length: 17 }, (_, index) => `g${index}`);
    for (const name of names) lab.group(vpc, name);
    expect(resolveSecurityGroups(lab.ctx.db, vpc.vpcId, names.slice(1))).toHaveLength(16);
    expect(() => resolveSecurityGroups(lab.ctx.db, vpc.vpcId, names)).toThrow(
      expect.objectContaining({ code: 'SecurityGroupsPerInterfaceLimitExceeded' }),
    );
  });
});

describe('the group that a person means', () => {
  test('by a name that several VPCs have is the default VPC’s, or that of the VPC that is said', () => {
    const other = lab.vpc('10.1.0.0/16');
    expect(resolveSecurityGroupId(lab.ctx.db, 'default')).toBe(lab.defaultGroup(vpc).groupId);
    expect(resolveSecurityGroupId(lab.ctx.db, 'default', other.vpcId)).toBe(lab.defaultGroup(other).groupId);
  });

  test('may be of any VPC when only one has the name', () => {
    const elsewhere = lab.group(lab.vpc('10.1.0.0/16'), 'elsewhere');
    expect(resolveSecurityGroupId(lab.ctx.db, 'elsewhere')).toBe(elsewhere.groupId);
    expect(resolveSecurityGroupId(lab.ctx.db, elsewhere.groupId.slice(0, 12))).toBe(elsewhere.groupId);
  });

  test('must be there', () => {
    expect(() => resolveSecurityGroupId(lab.ctx.db, 'nothing')).toThrow(
      expect.objectContaining({ code: 'InvalidGroup.NotFound' }),
    );
  });
});
