import type { IpPermission as Ec2Permission } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import {
  requestedRules,
  type Rule,
  sameRule,
  toPermissions,
  toRules,
} from '../../../../src/ec2/security-groups/permissions.ts';
import { type SecurityGroup, securityGroups, vpcs } from '../../../../src/store/network.ts';
import { type TestContext, testContext } from '../../../support/context.ts';

const VPC = newId('vpc');
const OTHER_VPC = newId('vpc');

function group(groupName: string, vpcId = VPC): SecurityGroup {
  return {
    groupId: newId('securityGroup'),
    groupName,
    description: 'for a test',
    vpcId,
    ipPermissions: [],
    ipPermissionsEgress: [],
  };
}

const WEB = group('web');
const DATA = group('data');
const ELSEWHERE = group('elsewhere', OTHER_VPC);

let home: TestContext;
beforeAll(() => {
  home = testContext();
  for (const vpcId of [VPC, OTHER_VPC])
    vpcs.insert(home.ctx.db, {
      vpcId,
      cidrBlock: '172.31.0.0/16',
      isDefault: false,
      internetGatewayId: null,
    });
  for (const each of [WEB, DATA, ELSEWHERE]) securityGroups.insert(home.ctx.db, each);
});
afterAll(() => home.cleanup());

const ANYWHERE = { IpRanges: [{ CidrIp: '0.0.0.0/0' }] };

const request = (...permissions: Ec2Permission[]): readonly Rule[] =>
  requestedRules(home.ctx.db, WEB, permissions);

describe('the traffic of a rule', () => {
  test.each([
    [{ IpProtocol: 'tcp', FromPort: 22, ToPort: 22 }, 'tcp', 22, 22],
    [{ IpProtocol: 'TCP', FromPort: 22 }, 'tcp', 22, 22],
    [{ IpProtocol: '6', FromPort: 0, ToPort: 65_535 }, 'tcp', 0, 65_535],
    [{ IpProtocol: 'udp', FromPort: 1000, ToPort: 2000 }, 'udp', 1000, 2000],
    [{ IpProtocol: '17', FromPort: 53 }, 'udp', 53, 53],
    [{ IpProtocol: 'icmp', FromPort: -1, ToPort: -1 }, 'icmp', -1, -1],
    [{ IpProtocol: 'icmp' }, 'icmp', -1, -1],
    [{ IpProtocol: '1', FromPort: 8, ToPort: 0 }, 'icmp', 8, 0],
    [{ IpProtocol: 'icmp', FromPort: 255, ToPort: 255 }, 'icmp', 255, 255],
    [{ IpProtocol: '-1', FromPort: 22, ToPort: 22 }, '-1', null, null],
    [{ IpProtocol: 'all' }, '-1', null, null],
  ])('%j is %s from %s to %s', (permission, ipProtocol, fromPort, toPort) => {
    expect(request({ ...permission, ...ANYWHERE })).toEqual([
      { ipProtocol, fromPort, toPort, peer: '0.0.0.0/0', description: null },
    ]);
  });

  test.each(['', 'sctp', '58', '-2', 'constructor', 'toString'])(
    "cannot have the protocol '%s', and the error names it",
    (protocol) => {
      expect(() => request({ IpProtocol: protocol, FromPort: 1, ToPort: 1, ...ANYWHERE })).toThrow(
        expect.objectContaining({
          code: 'InvalidParameterValue',
          message: `Invalid value '${protocol}' for IP protocol. Unknown protocol.`,
          hint: 'tcp, udp, icmp or -1',
        }),
      );
    },
  );

  test.each([
    ['tcp', 23, 22],
    ['tcp', -1, 22],
    ['tcp', -1, -1],
    ['udp', 0, 65_536],
    ['udp', 1.5, 2],
    ['icmp', -2, -1],
    ['icmp', 8, 256],
  ])('cannot be %s from %d to %d, and the error names both', (IpProtocol, FromPort, ToPort) => {
    expect(() => request({ IpProtocol, FromPort, ToPort, ...ANYWHERE })).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: `Invalid port range ${FromPort}-${ToPort}`,
        hint: expect.stringContaining('65535'),
      }),
    );
  });

  test('needs ports, unless it is icmp', () => {
    expect(() => request({ IpProtocol: 'tcp', ...ANYWHERE })).toThrow('Invalid port range -1--1');
  });
});

describe('the other side of a rule', () => {
  const ssh = { IpProtocol: 'tcp', FromPort: 22, ToPort: 22 };
  const traffic = { ipProtocol: 'tcp', fromPort: 22, toPort: 22 };

  test('is each block and each group, with its description', () => {
    expect(
      request({
        ...ssh,
        IpRanges: [{ CidrIp: '10.0.0.0/8', Description: 'office' }, { CidrIp: '192.0.2.1/32' }],
        UserIdGroupPairs: [{ GroupId: DATA.groupId, Description: 'data' }],
      }),
    ).toEqual([
      { ...traffic, peer: '10.0.0.0/8', description: 'office' },
      { ...traffic, peer: '192.0.2.1/32', description: null },
      { ...traffic, peer: DATA.groupId, description: 'data' },
    ]);
  });

  test('may be a group by its name, and the group itself', () => {
    expect(
      request({ ...ssh, UserIdGroupPairs: [{ GroupName: 'data' }, { GroupName: 'web' }] }).map(
        ({ peer }) => peer,
      ),
    ).toEqual([DATA.groupId, WEB.groupId]);
  });

  test('of several permissions comes in their order', () => {
    expect(
      request({ ...ssh, ...ANYWHERE }, { IpProtocol: '-1', ...ANYWHERE }).map(({ ipProtocol }) => ipProtocol),
    ).toEqual(['tcp', '-1']);
  });

  test.each(['', '10.0.0.0', '10.0.0.1/8', '::/0'])("cannot be the block '%s', which is named", (CidrIp) => {
    expect(() => request({ ...ssh, IpRanges: [{ CidrIp }] })).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: expect.stringContaining(`'${CidrIp}'`),
      }),
    );
  });

  test.each([
    ['nothing', { GroupName: 'nothing' }],
    ['', {}],
    [ELSEWHERE.groupId, { GroupId: ELSEWHERE.groupId }],
    ['elsewhere', { GroupName: 'elsewhere' }],
    ['sg-00000000000000000', { GroupId: 'sg-00000000000000000' }],
  ])("cannot be the group '%s', which this VPC does not have", (reference, pair) => {
    expect(() => request({ ...ssh, UserIdGroupPairs: [pair] })).toThrow(
      expect.objectContaining({
        code: 'InvalidGroup.NotFound',
        message: `The security group '${reference}' does not exist`,
        hint: 'bonami sg ls',
      }),
    );
  });

  test('must be there', () => {
    expect(() => request(ssh)).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: 'A rule needs a CIDR block or a group',
        hint: '--from 0.0.0.0/0',
      }),
    );
  });

  test.each([
    [{ Ipv6Ranges: [{ CidrIpv6: '::/0' }] }],
    [{ PrefixListIds: [{ PrefixListId: 'pl-0123456789abcdef0' }] }],
  ])('cannot be %j, which is not supported', (peers) => {
    expect(() => request({ ...ssh, ...ANYWHERE, ...peers })).toThrow(
      expect.objectContaining({
        code: 'UnsupportedOperation',
        message: 'IPv6 ranges and prefix lists are not supported in rules',
      }),
    );
  });
});

test('a request without permissions is an error', () => {
  expect(() => request()).toThrow(
    expect.objectContaining({
      code: 'MissingParameter',
      message: expect.stringContaining('ipPermissions'),
    }),
  );
});

describe('stored permissions', () => {
  const stored: SecurityGroup['ipPermissions'] = [
    {
      ipProtocol: 'tcp',
      fromPort: 22,
      toPort: 22,
      ipRanges: [
        { cidrIp: '10.0.0.0/8', description: 'office' },
        { cidrIp: '192.0.2.0/24', description: null },
      ],
      userIdGroupPairs: [{ groupId: DATA.groupId, description: 'data' }],
    },
  ];

  test('become single rules and single permissions, in the same order', () => {
    const rules = toRules(stored);
    expect(rules.map(({ peer }) => peer)).toEqual(['10.0.0.0/8', '192.0.2.0/24', DATA.groupId]);
    expect(toPermissions(rules)).toMatchObject([
      { fromPort: 22, ipRanges: [{ cidrIp: '10.0.0.0/8', description: 'office' }], userIdGroupPairs: [] },
      { ipRanges: [{ cidrIp: '192.0.2.0/24', description: null }], userIdGroupPairs: [] },
      { ipRanges: [], userIdGroupPairs: [{ groupId: DATA.groupId, description: 'data' }] },
    ]);
    expect(toRules(toPermissions(rules))).toEqual(rules);
  });
});

describe('two rules', () => {
  const rule: Rule = { ipProtocol: 'tcp', fromPort: 1, toPort: 2, peer: '10.0.0.0/8', description: 'a' };

  test('are the same whatever their descriptions are', () => {
    expect(sameRule(rule, { ...rule, description: null })).toBe(true);
  });

  test.each([{ ipProtocol: 'udp' }, { fromPort: 0 }, { toPort: 3 }, { peer: '10.0.0.0/9' }] as const)(
    'differ by %j',
    (change) => {
      expect(sameRule(rule, { ...rule, ...change })).toBe(false);
    },
  );
});
