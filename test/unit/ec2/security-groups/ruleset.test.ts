import { describe, expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import { linkName } from '../../../../src/core/link-name.ts';
import {
  groupKey,
  guardsOf,
  networkRuleset,
  trafficMatch,
} from '../../../../src/ec2/security-groups/ruleset.ts';
import { bridgeOf, crossingLink, METADATA_ADDRESS, tapOf } from '../../../../src/ec2/vpcs/router-spec.ts';
import type { VpcRecords } from '../../../../src/ec2/vpcs/vpc-records.ts';
import { networkTable } from '../../../../src/host/firewall/network-table.ts';
import type { NetworkRuleset, SegmentRules } from '../../../../src/host/firewall/ruleset.ts';
import type { NetworkAcl, NetworkAclEntry } from '../../../../src/store/network-acls.ts';
import type { PrefixList, SecurityGroupRule } from '../../../../src/store/security-groups.ts';
import {
  aclEntry,
  addressOf,
  BACK,
  DUAL,
  FRONT,
  GATEWAY,
  groupOf,
  mainWith,
  natIn,
  OPEN_ACL,
  ownTable,
  peeringWith,
  plug,
  recordsOf,
  SINGLE,
  toGateway,
  type Plugging,
} from '../vpcs/sample-records.ts';

const NONE: ReadonlySet<string> = new Set();

const ruleset = (fields: Partial<VpcRecords> = {}, crossings = NONE): NetworkRuleset =>
  networkRuleset(recordsOf(fields), crossings);

/** The incoming rules of a group with this one rule. */
const ingress = (rule: Partial<SecurityGroupRule>, fields: Partial<VpcRecords> = {}): unknown =>
  ruleset({ ...fields, groups: [groupOf([rule]), ...(fields.groups ?? [])] }).groups[0]?.ingress;

const inGroups = (
  groups: readonly { readonly groupId: ReturnType<typeof groupOf>['groupId'] }[],
  more: Plugging['networkInterface'] = {},
): Plugging => ({ networkInterface: { securityGroupIds: groups.map(({ groupId }) => groupId), ...more } });

describe('a network without machines', () => {
  test('has its blocks, its subnets and the metadata address', () => {
    expect(ruleset()).toEqual({
      bridgePrefix: 'snt',
      blocks: ['10.0.0.0/16'],
      hasWayOut: false,
      metadataAddress: '169.254.169.254',
      segments: SINGLE.map(({ subnetId }) => ({ bridge: bridgeOf(subnetId), waysOut: [] })),
      ports: [],
      groups: [],
      crossings: [],
      publicAddresses: [],
    });
    expect(ruleset({ vpc: DUAL }).blocks).toEqual(['10.0.0.0/16', 'fd00:1:2:300::/56']);
    expect(METADATA_ADDRESS).toBe('169.254.169.254');
  });

  test('has a way out when one of its subnets has', () => {
    const main = mainWith({ '0.0.0.0/0': toGateway(GATEWAY) });
    expect(ruleset({ routeTables: [main] }).hasWayOut).toBe(false);
    expect(ruleset({ routeTables: [main], internetGateway: GATEWAY })).toMatchObject({
      hasWayOut: true,
      segments: [{ waysOut: [{ destination: '0.0.0.0/0' }] }, { waysOut: [{ destination: '0.0.0.0/0' }] }],
    });
    const own = ownTable(BACK, { '203.0.113.0/24': toGateway(GATEWAY) });
    expect(
      ruleset({ subnets: [FRONT, own.subnet], routeTables: [own.table], internetGateway: GATEWAY }),
    ).toMatchObject({
      hasWayOut: true,
      segments: [{ waysOut: [] }, { waysOut: [{ destination: '203.0.113.0/24' }] }],
    });
  });
});

describe('a plugged interface', () => {
  test('is a port with all its addresses, its groups and the hop limit of its instance', () => {
    const [web, data] = [groupOf(), groupOf()];
    const { metadataOptions } = plug(FRONT, '10.0.1.1').instance;
    const each = plug(FRONT, '10.0.1.10', {
      ...inGroups([web, data], {
        secondaryPrivateIpAddresses: ['10.0.1.11'],
        ipv6Addresses: ['fd00:1:2:301::10'],
      }),
      instance: { metadataOptions: { ...metadataOptions, httpPutResponseHopLimit: 2 } },
    });
    expect(ruleset({ groups: [web, data], plugged: [each] }).ports).toEqual([
      {
        key: linkName('eni', each.networkInterface.networkInterfaceId),
        mac: each.networkInterface.macAddress,
        addresses: ['10.0.1.10', '10.0.1.11', 'fd00:1:2:301::10'],
        groupKeys: [groupKey(web.groupId), groupKey(data.groupId)],
        hopLimit: 2,
      },
    ]);
  });

  test.each(['', '10.0.1', '10.0.1.4 }', '10.0.1.4\n', 'fe80::1%eth0', '10.0.1.0/24', '; flush ruleset'])(
    'never reaches the firewall with the address %j, which the error names',
    (address) => {
      for (const each of [
        plug(FRONT, address),
        plug(FRONT, '10.0.1.4', { networkInterface: { secondaryPrivateIpAddresses: [address] } }),
        plug(FRONT, '10.0.1.4', { networkInterface: { ipv6Addresses: [address] } }),
      ]) {
        expect(() => ruleset({ plugged: [each] })).toThrow(`'${address}' is no address`);
        expect(() => guardsOf(recordsOf({ plugged: [each] }))).toThrow(`'${address}' is no address`);
      }
    },
  );
});

describe('a group', () => {
  test('has all addresses of its members, and of nobody else', () => {
    const [web, data, empty] = [groupOf(), groupOf(), groupOf()];
    const { groups } = ruleset({
      groups: [web, data, empty],
      plugged: [
        plug(FRONT, '10.0.1.4', inGroups([web], { ipv6Addresses: ['fd00:1:2:301::4'] })),
        plug(BACK, '10.0.2.5', inGroups([data, web], { secondaryPrivateIpAddresses: ['10.0.2.50'] })),
        plug(FRONT, '10.0.1.6', inGroups([data])),
      ],
    });
    expect(groups.map(({ key, members }) => [key, members])).toEqual([
      [groupKey(web.groupId), ['10.0.1.4', 'fd00:1:2:301::4', '10.0.2.5', '10.0.2.50']],
      [groupKey(data.groupId), ['10.0.2.5', '10.0.2.50', '10.0.1.6']],
      [groupKey(empty.groupId), []],
    ]);
  });

  test('keeps what it lets in apart from what it lets out', () => {
    const web = groupOf([
      { ipProtocol: 'tcp', fromPort: 80, toPort: 80 },
      { isEgress: true, peer: { kind: 'ipv6', cidr: '::/0' } },
    ]);
    expect(ruleset({ groups: [web] }).groups).toEqual([
      {
        key: groupKey(web.groupId),
        members: [],
        ingress: [{ peer: { block: '0.0.0.0/0' }, match: { kind: 'ports', protocol: 6, from: 80, to: 80 } }],
        egress: [{ peer: { block: '::/0' }, match: { kind: 'all' } }],
      },
    ]);
  });

  test('without rules allows nothing', () => {
    expect(ruleset({ groups: [groupOf()] }).groups).toMatchObject([{ ingress: [], egress: [] }]);
  });

  test('has a key of hexadecimal digits, whatever its id is', () => {
    expect(groupKey('sg-0123456789abcdef0')).toMatch(/^sg_[0-9a-f]{12}$/);
    expect(groupKey('"; flush ruleset')).toMatch(/^sg_[0-9a-f]{12}$/);
    expect(groupKey('sg-0123456789abcdef0')).not.toBe(groupKey('sg-0123456789abcdef1'));
  });
});

describe('the peer of a rule', () => {
  const match = { kind: 'all' };

  test.each([
    [{ kind: 'ipv4', cidr: '10.0.0.0/8' }, '10.0.0.0/8'],
    [{ kind: 'ipv6', cidr: 'FD00:0::/8' }, 'fd00::/8'],
  ] as const)('%j is the block, as we write it', (peer, block) => {
    expect(ingress({ peer })).toEqual([{ peer: { block }, match }]);
  });

  test.each([
    ['ipv4', '10.0.0.0/8 accept'],
    ['ipv4', '10.0.0.1/8'],
    ['ipv6', '::/0 } ; flush ruleset'],
    ['ipv6', 'fe80::%lo/64'],
  ] as const)('never reaches the firewall as the %s block %j, which is none', (kind, cidr) => {
    expect(() => ingress({ peer: { kind, cidr } })).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: expect.stringContaining(`'${cidr}'`),
      }),
    );
  });

  test('is each block of a prefix list, as it is now', () => {
    const list: PrefixList = {
      prefixListId: newId('prefixList'),
      prefixListName: 'office',
      addressFamily: 'IPv4',
      maxEntries: 5,
      version: 2,
      entries: [
        { cidr: '192.0.2.0/24', description: 'here' },
        { cidr: '198.51.100.1/32', description: null },
      ],
    };
    const other = {
      ...list,
      prefixListId: newId('prefixList'),
      entries: [{ cidr: '::/0', description: null }],
    };
    const rule = { peer: { kind: 'prefixList', prefixListId: list.prefixListId } } as const;
    expect(ingress(rule, { prefixLists: [other, list] })).toEqual([
      { peer: { block: '192.0.2.0/24' }, match },
      { peer: { block: '198.51.100.1/32' }, match },
    ]);
    expect(ingress(rule, { prefixLists: [{ ...list, entries: [] }] })).toEqual([]);
    expect(ingress(rule, { prefixLists: [other] })).toEqual([]);
  });

  test('is a group of the VPC, or nobody when that is gone', () => {
    const data = groupOf();
    const rule = {
      peer: { kind: 'group', groupId: data.groupId, vpcPeeringConnectionId: null },
    } as const;
    expect(ingress(rule, { groups: [data] })).toEqual([
      { peer: { groupKey: groupKey(data.groupId) }, match },
    ]);
    expect(ingress(rule)).toEqual([]);
  });
});

describe('a group of a peer', () => {
  const [theirs, unrelated] = [groupOf(), groupOf()];
  const peering = peeringWith({
    peerGroups: [theirs, unrelated],
    peerPlugged: [
      plug(FRONT, '10.1.1.10', inGroups([theirs], { secondaryPrivateIpAddresses: ['10.1.1.11'] })),
      plug(FRONT, '10.1.1.20', inGroups([unrelated])),
    ],
  });
  const link = crossingLink(peering);
  const mine = groupOf([
    {
      peer: {
        kind: 'group',
        groupId: theirs.groupId,
        vpcPeeringConnectionId: peering.connection.vpcPeeringConnectionId,
      },
    },
  ]);

  test('is who is in it over there, where a rule names it; its own rules are not judged here', () => {
    expect(ruleset({ groups: [mine], peerings: [peering] }, new Set([link]))).toMatchObject({
      groups: [
        {
          key: groupKey(mine.groupId),
          ingress: [{ peer: { groupKey: groupKey(theirs.groupId) }, match: { kind: 'all' } }],
        },
        {
          key: groupKey(theirs.groupId),
          members: ['10.1.1.10', '10.1.1.11'],
          ingress: [],
          egress: [],
        },
      ],
      crossings: [{ link, blocks: ['10.1.0.0/16'] }],
    });
  });

  test('is nobody when no rule names it', () => {
    const { groups } = ruleset({ groups: [groupOf()], peerings: [peering] }, new Set([link]));
    expect(groups).toHaveLength(1);
  });

  test('is nobody when the peering is none any more', () => {
    expect(ruleset({ groups: [mine] }, new Set([link]))).toMatchObject({
      groups: [{ ingress: [] }],
      crossings: [],
    });
  });

  test('is nobody while the link is not there, and the firewall can be told so', () => {
    const rules = ruleset({ groups: [mine], peerings: [peering] });
    expect(rules.groups.map(({ key }) => key)).toEqual([groupKey(mine.groupId)]);
    expect(rules.crossings).toEqual([]);
    expect(networkTable(rules)).not.toContain(groupKey(theirs.groupId));
    const joined = ruleset({ groups: [mine], peerings: [peering] }, new Set([link]));
    expect(networkTable(joined)).toContain(groupKey(theirs.groupId));
  });
});

describe('the traffic of a rule', () => {
  test.each([
    ['-1', null, null, { kind: 'all' }],
    ['-1', 22, 23, { kind: 'all' }],
    ['tcp', 22, 23, { kind: 'ports', protocol: 6, from: 22, to: 23 }],
    ['tcp', 0, 0, { kind: 'ports', protocol: 6, from: 0, to: 0 }],
    ['udp', null, null, { kind: 'ports', protocol: 17, from: 0, to: 65_535 }],
    ['icmp', 8, 0, { kind: 'icmp', protocol: 1, type: 8, code: 0 }],
    ['icmp', 0, -1, { kind: 'icmp', protocol: 1, type: 0 }],
    ['icmp', -1, -1, { kind: 'protocol', protocol: 1 }],
    ['icmp', null, null, { kind: 'protocol', protocol: 1 }],
    ['icmpv6', 128, 0, { kind: 'icmp', protocol: 58, type: 128, code: 0 }],
    ['icmpv6', 134, -1, { kind: 'icmp', protocol: 58, type: 134 }],
    ['icmpv6', -1, -1, { kind: 'protocol', protocol: 58 }],
    ['47', null, null, { kind: 'protocol', protocol: 47 }],
    ['0', null, null, { kind: 'protocol', protocol: 0 }],
  ] as const)('%s %s %s means %j', (ipProtocol, fromPort, toPort, match) => {
    expect(trafficMatch({ ipProtocol, fromPort, toPort })).toEqual(match);
    expect(ingress({ ipProtocol, fromPort, toPort })).toEqual([{ peer: { block: '0.0.0.0/0' }, match }]);
  });
});

describe('a network ACL', () => {
  const segment = (entries: readonly NetworkAclEntry[], vpc = recordsOf().vpc): SegmentRules | undefined =>
    ruleset({ vpc, networkAcls: [{ ...OPEN_ACL, entries: [...entries] }], subnets: SINGLE.slice(0, 1) })
      .segments[0];

  test('that lets everything pass is none', () => {
    expect(segment(OPEN_ACL.entries)).not.toHaveProperty('inbound');
    expect(segment(OPEN_ACL.entries)).not.toHaveProperty('outbound');
  });

  test('that lets everything of IPv4 pass is one where there is IPv6', () => {
    const everything = OPEN_ACL.entries.flatMap((entry) => [
      entry,
      { ...entry, ruleNumber: 101, cidrBlock: '::/0' },
    ]);
    expect(segment(OPEN_ACL.entries, DUAL)).toHaveProperty('inbound');
    expect(segment(everything, DUAL)).toEqual({ bridge: bridgeOf(FRONT.subnetId), waysOut: [] });
  });

  test('without entries denies everything, each way', () => {
    expect(segment([])).toMatchObject({ inbound: [], outbound: [] });
    expect(segment([aclEntry({ egress: true })])).toMatchObject({ inbound: [] });
    expect(segment([aclEntry({ egress: true })])).not.toHaveProperty('outbound');
  });

  test('that is gone denies everything', () => {
    expect(ruleset({ networkAcls: [] }).segments).toMatchObject([
      { inbound: [], outbound: [] },
      { inbound: [], outbound: [] },
    ]);
  });

  test('has its entries in the order of their numbers, each way apart', () => {
    const entries = [
      aclEntry({ ruleNumber: 300 }),
      aclEntry({ ruleNumber: 20, ruleAction: 'deny', cidrBlock: '192.0.2.0/24' }),
      aclEntry({ ruleNumber: 100, egress: true, protocol: '17', portRange: { from: 53, to: 53 } }),
      aclEntry({ ruleNumber: 3, protocol: '6', portRange: { from: 22, to: 22 } }),
    ];
    const acl = { block: '0.0.0.0/0', action: 'allow' };
    expect(segment(entries)).toMatchObject({
      inbound: [
        { ...acl, match: { kind: 'ports', protocol: 6, from: 22, to: 22 } },
        { action: 'deny', block: '192.0.2.0/24', match: { kind: 'all' } },
        { ...acl, match: { kind: 'all' } },
      ],
      outbound: [{ ...acl, match: { kind: 'ports', protocol: 17, from: 53, to: 53 } }],
    });
    expect(entries.map(({ ruleNumber }) => ruleNumber)).toEqual([300, 20, 100, 3]);
  });

  test.each([
    ['the first denies', [aclEntry({ ruleNumber: 1, ruleAction: 'deny', cidrBlock: '192.0.2.1/32' })]],
    ['the first is of one protocol', [aclEntry({ ruleNumber: 1, protocol: '6' })]],
    ['the first is of a part', [aclEntry({ ruleNumber: 1, cidrBlock: '0.0.0.0/1' })]],
    [
      'the first denies everything',
      [aclEntry({ ruleNumber: 1, ruleAction: 'deny', cidrBlock: '0.0.0.0/0' })],
    ],
  ])('is judged when %s, though everything may pass later', (_, first) => {
    expect(segment([...first, ...OPEN_ACL.entries])?.inbound).toHaveLength(2);
  });

  test('that lets everything pass before it denies is none', () => {
    const late = aclEntry({ ruleNumber: 200, ruleAction: 'deny', cidrBlock: '192.0.2.1/32' });
    expect(segment([...OPEN_ACL.entries, late])).not.toHaveProperty('inbound');
  });

  test.each([
    [{ protocol: '-1' }, { kind: 'all' }],
    [
      { protocol: '6', portRange: { from: 1024, to: 65_535 } },
      { kind: 'ports', protocol: 6, from: 1024, to: 65_535 },
    ],
    [{ protocol: '17' }, { kind: 'ports', protocol: 17, from: 0, to: 65_535 }],
    [
      { protocol: '1', icmpTypeCode: { type: 8, code: 0 } },
      { kind: 'icmp', protocol: 1, type: 8, code: 0 },
    ],
    [
      { protocol: '1', icmpTypeCode: { type: 3, code: -1 } },
      { kind: 'icmp', protocol: 1, type: 3 },
    ],
    [
      { protocol: '1', icmpTypeCode: { type: -1, code: -1 } },
      { kind: 'protocol', protocol: 1 },
    ],
    [{ protocol: '1' }, { kind: 'protocol', protocol: 1 }],
    [
      { protocol: '58', icmpTypeCode: { type: 128, code: 0 } },
      { kind: 'icmp', protocol: 58, type: 128, code: 0 },
    ],
    [{ protocol: '47' }, { kind: 'protocol', protocol: 47 }],
  ] as const)('entry %j means %j', (fields, match) => {
    const deny = aclEntry({ ruleNumber: 1, ruleAction: 'deny', ...fields });
    expect(segment([deny])?.inbound).toEqual([{ action: 'deny', block: '0.0.0.0/0', match }]);
  });

  test('is the one that each subnet has', () => {
    const closed: NetworkAcl = { ...OPEN_ACL, networkAclId: newId('networkAcl'), entries: [] };
    const [front, back] = SINGLE;
    if (front === undefined || back === undefined) throw new Error('there are two subnets');
    const guarded = { ...back, networkAcl: { ...back.networkAcl, networkAclId: closed.networkAclId } };
    const { segments } = ruleset({ networkAcls: [OPEN_ACL, closed], subnets: [front, guarded] });
    expect(segments).toEqual([
      { bridge: bridgeOf(front.subnetId), waysOut: [] },
      { bridge: bridgeOf(back.subnetId), waysOut: [], inbound: [], outbound: [] },
    ]);
  });
});

describe('a guard', () => {
  test('knows each machine by its MAC and all its addresses', () => {
    const each = plug(FRONT, '10.0.1.10', {
      networkInterface: { secondaryPrivateIpAddresses: ['10.0.1.11'], ipv6Addresses: ['fd00:1:2:301::10'] },
    });
    expect(guardsOf(recordsOf({ plugged: [each] }))).toEqual([
      {
        tap: tapOf(each.networkInterface),
        mac: each.networkInterface.macAddress,
        addresses: ['10.0.1.10', '10.0.1.11', 'fd00:1:2:301::10'],
      },
    ]);
  });

  test("lets a machine without source and destination check speak for others, but not for the VPC's", () => {
    const router = plug(FRONT, '10.0.1.10', { networkInterface: { sourceDestCheck: false } });
    expect(guardsOf(recordsOf({ vpc: DUAL, plugged: [router] }))).toMatchObject([
      { forwardsExcept: ['10.0.0.0/16', 'fd00:1:2:300::/56'] },
    ]);
    const checked = plug(FRONT, '10.0.1.10');
    expect(guardsOf(recordsOf({ plugged: [checked] }))[0]).not.toHaveProperty('forwardsExcept');
  });

  test('holds a machine to the bytes of its type, where it is held to anything', () => {
    const instance = { isNetworkLimited: true, instanceType: 't3.micro' };
    const [guard] = guardsOf(recordsOf({ plugged: [plug(FRONT, '10.0.1.10', { instance })] }));
    expect(guard?.bytesPerSecond).toBeGreaterThan(0);
    expect(Number.isInteger(guard?.bytesPerSecond)).toBe(true);
    expect(guardsOf(recordsOf({ plugged: [plug(FRONT, '10.0.1.10')] }))[0]).not.toHaveProperty(
      'bytesPerSecond',
    );
  });
});

describe('elastic addresses', () => {
  test("stand for machines' private ones, as the host passes them on", () => {
    const [web, own] = [plug(FRONT, '10.0.1.10'), plug(FRONT, '10.0.1.20')];
    const addresses = [
      addressOf('198.51.100.7', web.networkInterface),
      addressOf('192.0.2.9', own.networkInterface, '169.254.112.9'),
    ];
    expect(ruleset({ plugged: [web, own], addresses }).publicAddresses).toEqual([
      { address: '198.51.100.7', carrier: '198.51.100.7', privateAddress: '10.0.1.10' },
      { address: '192.0.2.9', carrier: '169.254.112.9', privateAddress: '10.0.1.20' },
    ]);
  });

  test('of a NAT gateway, and of what is not plugged in, stand for nobody', () => {
    const nat = natIn(FRONT, '198.51.100.8');
    const idle = plug(FRONT, '10.0.1.30');
    const addresses = [nat.address, addressOf('198.51.100.9', idle.networkInterface)];
    expect(ruleset({ natGateways: [nat.gateway], addresses }).publicAddresses).toEqual([]);
  });
});
