import { describe, expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import { linkName, macOf } from '../../../../src/core/link-name.ts';
import {
  groupKey,
  METADATA_ADDRESS,
  networkRuleset,
  type RulesetParts,
} from '../../../../src/ec2/security-groups/ruleset.ts';
import type { IpPermission, NetworkInterface, SecurityGroup, Vpc } from '../../../../src/store/network.ts';

const VPC: Vpc = {
  vpcId: newId('vpc'),
  cidrBlock: '172.31.0.0/16',
  isDefault: true,
  internetGatewayId: newId('internetGateway'),
};

function group(fields: Partial<SecurityGroup> = {}): SecurityGroup {
  return {
    groupId: newId('securityGroup'),
    groupName: 'web',
    description: 'for a test',
    vpcId: VPC.vpcId,
    ipPermissions: [],
    ipPermissionsEgress: [],
    ...fields,
  };
}

function plugged(
  privateIpAddress: string,
  groups: readonly SecurityGroup[],
  hopLimit = 1,
): RulesetParts['interfaces'][number] {
  const networkInterfaceId = newId('networkInterface');
  const networkInterface: NetworkInterface = {
    networkInterfaceId,
    vpcId: VPC.vpcId,
    subnetId: newId('subnet'),
    description: '',
    privateIpAddress,
    macAddress: macOf(networkInterfaceId),
    securityGroupIds: groups.map(({ groupId }) => groupId),
    attachment: null,
  };
  return { networkInterface, hopLimit };
}

function permission(fields: Partial<IpPermission>): IpPermission {
  return {
    ipProtocol: '-1',
    fromPort: null,
    toPort: null,
    ipRanges: [{ cidrIp: '0.0.0.0/0', description: null }],
    userIdGroupPairs: [],
    ...fields,
  };
}

const ruleset = (parts: Partial<RulesetParts> = {}): ReturnType<typeof networkRuleset> =>
  networkRuleset({ vpc: VPC, groups: [], interfaces: [], ...parts });

/** The incoming rules of a group with this one permission. */
const ingress = (fields: Partial<IpPermission>): unknown =>
  ruleset({ groups: [group({ ipPermissions: [permission(fields)] })] }).groups[0]?.ingress;

describe('a network without machines', () => {
  test('has its block and the metadata address, and a way out by its gateway', () => {
    expect(ruleset()).toEqual({
      bridgePrefix: 'snt',
      cidr: '172.31.0.0/16',
      hasWayOut: true,
      metadataAddress: '169.254.169.254',
      ports: [],
      groups: [],
    });
    expect(METADATA_ADDRESS).toBe('169.254.169.254');
  });

  test('has no way out without a gateway', () => {
    expect(ruleset({ vpc: { ...VPC, internetGatewayId: null } }).hasWayOut).toBe(false);
  });
});

describe('a plugged interface', () => {
  test('is a port with its link, its address, its groups and its hop limit', () => {
    const [web, data] = [group(), group()];
    const each = plugged('172.31.0.4', [web, data], 2);
    expect(ruleset({ groups: [web, data], interfaces: [each] }).ports).toEqual([
      {
        key: linkName('eni', each.networkInterface.networkInterfaceId),
        addresses: ['172.31.0.4'],
        groupKeys: [groupKey(web.groupId), groupKey(data.groupId)],
        hopLimit: 2,
      },
    ]);
  });

  test.each(['', '172.31.0', '172.31.0.4 }', '::1'])(
    "never reaches the firewall with the address '%s', which the error names",
    (address) => {
      expect(() => ruleset({ interfaces: [plugged(address, [])] })).toThrow(
        `'${address}' is no IPv4 address`,
      );
    },
  );
});

describe('a group', () => {
  test('has the addresses of its members, and of nobody else', () => {
    const [web, data, empty] = [group(), group(), group()];
    const { groups } = ruleset({
      groups: [web, data, empty],
      interfaces: [
        plugged('172.31.0.4', [web]),
        plugged('172.31.0.5', [data, web]),
        plugged('172.31.0.6', [data]),
      ],
    });
    expect(groups.map(({ key, members }) => [key, members])).toEqual([
      [groupKey(web.groupId), ['172.31.0.4', '172.31.0.5']],
      [groupKey(data.groupId), ['172.31.0.5', '172.31.0.6']],
      [groupKey(empty.groupId), []],
    ]);
  });

  test('keeps what it lets in apart from what it lets out', () => {
    const web = group({
      ipPermissions: [permission({ ipProtocol: 'tcp', fromPort: 80, toPort: 80 })],
      ipPermissionsEgress: [permission({})],
    });
    expect(ruleset({ groups: [web] }).groups).toMatchObject([
      {
        ingress: [{ match: { protocol: 'tcp', from: 80, to: 80 } }],
        egress: [{ match: { protocol: 'all' } }],
      },
    ]);
  });

  test('without rules allows nothing', () => {
    expect(ruleset({ groups: [group()] }).groups).toMatchObject([{ ingress: [], egress: [] }]);
  });

  test('has a key of hexadecimal digits, whatever its id is', () => {
    expect(groupKey('sg-0123456789abcdef0')).toMatch(/^sg_[0-9a-f]{12}$/);
    expect(groupKey('"; flush ruleset')).toMatch(/^sg_[0-9a-f]{12}$/);
    expect(groupKey('sg-0123456789abcdef0')).not.toBe(groupKey('sg-0123456789abcdef1'));
  });
});

describe('the peer of a rule', () => {
  test('is each block and each group, for the same traffic', () => {
    const match = { protocol: 'udp', from: 53, to: 54 };
    expect(
      ingress({
        ipProtocol: 'udp',
        fromPort: 53,
        toPort: 54,
        ipRanges: [
          { cidrIp: '10.0.0.0/8', description: 'office' },
          { cidrIp: '192.0.2.1/32', description: null },
        ],
        userIdGroupPairs: [{ groupId: 'sg-0123456789abcdef0', description: null }],
      }),
    ).toEqual([
      { peer: { cidr: '10.0.0.0/8' }, match },
      { peer: { cidr: '192.0.2.1/32' }, match },
      { peer: { groupKey: groupKey('sg-0123456789abcdef0') }, match },
    ]);
  });

  test('never reaches the firewall as a block that is none', () => {
    expect(() => ingress({ ipRanges: [{ cidrIp: '10.0.0.0/8 accept', description: null }] })).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: "'10.0.0.0/8 accept' is not an IPv4 CIDR block",
      }),
    );
  });
});

describe('the traffic of a rule', () => {
  test.each([
    [{ ipProtocol: '-1' }, { protocol: 'all' }],
    [
      { ipProtocol: 'tcp', fromPort: 22, toPort: 23 },
      { protocol: 'tcp', from: 22, to: 23 },
    ],
    [
      { ipProtocol: 'tcp', fromPort: 0, toPort: 0 },
      { protocol: 'tcp', from: 0, to: 0 },
    ],
    [{ ipProtocol: 'udp' }, { protocol: 'udp', from: 0, to: 65_535 }],
    [
      { ipProtocol: 'icmp', fromPort: 8, toPort: 0 },
      { protocol: 'icmp', type: 8, code: 0 },
    ],
    [
      { ipProtocol: 'icmp', fromPort: 0, toPort: -1 },
      { protocol: 'icmp', type: 0, code: undefined },
    ],
    [
      { ipProtocol: 'icmp', fromPort: -1, toPort: -1 },
      { protocol: 'icmp', type: undefined, code: undefined },
    ],
    [{ ipProtocol: 'icmp' }, { protocol: 'icmp', type: undefined, code: undefined }],
  ] as const)('%j means %j', (fields, match) => {
    expect(ingress(fields)).toEqual([{ peer: { cidr: '0.0.0.0/0' }, match }]);
  });
});
