import { describe, expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import { privateDomain } from '../../../../src/core/private-names.ts';
import { dhcpHosts, dhcpNetwork } from '../../../../src/ec2/vpcs/dhcp-spec.ts';
import { bridgeOf, tapOf } from '../../../../src/ec2/vpcs/router-spec.ts';
import type { VpcRecords } from '../../../../src/ec2/vpcs/vpc-records.ts';
import type { DhcpHost } from '../../../../src/host/dhcp/dnsmasq.ts';
import type { DhcpNetwork } from '../../../../src/host/dhcp/dnsmasq-config.ts';
import type { DhcpOptions } from '../../../../src/store/vpcs.ts';
import { BACK, DUAL, FRONT, plug, recordsOf, VPC, type Plugging } from './sample-records.ts';

const HERE = { region: 'us-east-1', upstream: ['192.0.2.53'] };

const network = (fields: Partial<VpcRecords> = {}, here = HERE): DhcpNetwork =>
  dhcpNetwork(recordsOf(fields), here);

function chosen(configurations: DhcpOptions['configurations']): Partial<VpcRecords> {
  return { dhcpOptions: { dhcpOptionsId: newId('dhcpOptions'), configurations } };
}

/** The names of one interface, by its addresses. */
function namesOf(plugging: Plugging, region = 'us-east-1'): Readonly<Record<string, readonly string[]>> {
  const [host] = dhcpHosts(recordsOf({ plugged: [plug(FRONT, '10.0.1.10', plugging)] }), region);
  return Object.fromEntries((host?.names ?? []).map(({ address, names }) => [address, names]));
}

describe('what a VPC tells its machines', () => {
  test("is EC2's own", () => {
    const [front, back] = [bridgeOf(FRONT.subnetId), bridgeOf(BACK.subnetId)];
    const netmask = '255.255.255.0';
    expect(network()).toEqual({
      blocks: ['10.0.0.0/16'],
      segments: [
        { bridge: front, network: '10.0.1.0', netmask, router: '10.0.1.1' },
        { bridge: back, network: '10.0.2.0', netmask, router: '10.0.2.1' },
      ],
      resolver: '10.0.0.2',
      answersNames: true,
      domain: 'ec2.internal',
      searchDomain: 'ec2.internal',
      nameServers: ['10.0.0.2'],
      timeServers: [],
      netbiosServers: [],
      metadataAddress: '169.254.169.254',
      mtu: 9001,
      upstream: ['192.0.2.53'],
    });
  });

  test('is of IPv6 too where a subnet has it; names of addresses are of IPv4', () => {
    const { segments, blocks } = network({ vpc: DUAL, subnets: [FRONT, { ...BACK, ipv6: null }] });
    expect(segments.map(({ network6 }) => network6)).toEqual(['fd00:1:2:301::', undefined]);
    expect(blocks).toEqual(['10.0.0.0/16']);
  });

  test('is the domain of the region', () => {
    expect(privateDomain('us-east-1')).toBe('ec2.internal');
    const { domain, searchDomain } = network({}, { ...HERE, region: 'eu-west-1' });
    expect([domain, searchDomain]).toEqual(['eu-west-1.compute.internal', 'eu-west-1.compute.internal']);
  });

  test('is what its DHCP options say; names keep their own domain', () => {
    const options = chosen({
      'domain-name': ['lab.example'],
      'domain-name-servers': ['10.1.0.53', 'AmazonProvidedDNS', '192.0.2.1'],
      'ntp-servers': ['169.254.169.123'],
      'netbios-name-servers': ['10.1.0.44', '10.1.0.45'],
      'netbios-node-type': ['2'],
    });
    expect(network(options)).toMatchObject({
      domain: 'ec2.internal',
      searchDomain: 'lab.example',
      nameServers: ['10.1.0.53', '10.0.0.2', '192.0.2.1'],
      timeServers: ['169.254.169.123'],
      netbiosServers: ['10.1.0.44', '10.1.0.45'],
      netbiosNodeType: '2',
    });
  });

  test('has defaults for nothing but what was left out', () => {
    expect(network(chosen({ 'ntp-servers': ['192.0.2.123'] }))).toMatchObject({
      searchDomain: 'ec2.internal',
      nameServers: ['10.0.0.2'],
    });
  });

  test('has no resolver without DNS support, but those that were chosen', () => {
    const vpc = { ...VPC, enableDnsSupport: false };
    expect(network({ vpc })).toMatchObject({ answersNames: false, nameServers: [] });
    expect(
      network({ vpc, ...chosen({ 'domain-name-servers': ['AmazonProvidedDNS', '192.0.2.1'] }) }),
    ).toMatchObject({ answersNames: false, nameServers: ['192.0.2.1'] });
  });
});

describe('an interface', () => {
  test('has a lease for its primary address, named by it', () => {
    const each = plug(FRONT, '10.0.1.10', {
      networkInterface: { secondaryPrivateIpAddresses: ['10.0.1.11'] },
    });
    expect(dhcpHosts(recordsOf({ plugged: [each] }), 'us-east-1')).toEqual<DhcpHost[]>([
      {
        key: tapOf(each.networkInterface),
        mac: each.networkInterface.macAddress,
        address: '10.0.1.10',
        hostname: 'ip-10-0-1-10',
        names: [
          { address: '10.0.1.10', names: ['ip-10-0-1-10.ec2.internal'] },
          { address: '10.0.1.11', names: ['ip-10-0-1-11.ec2.internal'] },
        ],
      },
    ]);
  });

  test('has its first IPv6 address by DHCP too', () => {
    const networkInterface = { ipv6Addresses: ['fd00:1:2:301::10', 'fd00:1:2:301::11'] };
    const plugged = [plug(FRONT, '10.0.1.10', { networkInterface })];
    expect(dhcpHosts(recordsOf({ plugged }), 'us-east-1')).toMatchObject([{ address6: 'fd00:1:2:301::10' }]);
    expect(dhcpHosts(recordsOf({ plugged: [plug(FRONT, '10.0.1.10')] }), 'us-east-1')[0]).not.toHaveProperty(
      'address6',
    );
  });

  test('is one of all that are plugged in', () => {
    const plugged = [plug(FRONT, '10.0.1.10'), plug(BACK, '10.0.2.10')];
    expect(dhcpHosts(recordsOf({ plugged }), 'us-east-1').map(({ address }) => address)).toEqual([
      '10.0.1.10',
      '10.0.2.10',
    ]);
    expect(dhcpHosts(recordsOf(), 'us-east-1')).toEqual([]);
  });
});

describe('names', () => {
  test('are of the region', () => {
    expect(namesOf({ name: 'web' }, 'eu-west-1')).toEqual({
      '10.0.1.10': ['ip-10-0-1-10.eu-west-1.compute.internal', 'web.internal'],
    });
  });

  test('of the tag stand for the first address of each family, and no other', () => {
    const networkInterface = {
      secondaryPrivateIpAddresses: ['10.0.1.11'],
      ipv6Addresses: ['fd00:1:2:301::10', 'fd00:1:2:301::11'],
    };
    expect(namesOf({ name: 'web', networkInterface })).toEqual({
      '10.0.1.10': ['ip-10-0-1-10.ec2.internal', 'web.internal'],
      '10.0.1.11': ['ip-10-0-1-11.ec2.internal'],
      'fd00:1:2:301::10': ['web.internal'],
    });
    // Without a tag an address of IPv6 has no name.
    expect(Object.keys(namesOf({ networkInterface }))).toEqual(['10.0.1.10', '10.0.1.11']);
  });

  test('of the tag are of the first interface only', () => {
    expect(namesOf({ name: 'web', deviceIndex: 1 })).toEqual({ '10.0.1.10': ['ip-10-0-1-10.ec2.internal'] });
  });

  test.each([
    ['web', 'web.internal'],
    ['WEB', 'web.internal'],
    ['web-1', 'web-1.internal'],
    ['1', '1.internal'],
    ['x'.repeat(63), `${'x'.repeat(63)}.internal`],
  ])('of the tag %j are %s', (name, given) => {
    expect(namesOf({ name })['10.0.1.10']).toEqual(['ip-10-0-1-10.ec2.internal', given]);
  });

  test.each([
    '',
    ' ',
    'web 1',
    'web.example.org',
    '-web',
    'web-',
    'web_1',
    'x'.repeat(64),
    'wéb',
    'a\n10.0.1.99 metadata.google.internal',
    'a b.internal',
    'a\r',
    'a\n',
    'a\0',
    '#',
    '../../etc/passwd',
    '/',
    '*',
    "'; rm -rf /",
    '$(reboot)',
  ])('are never made of the tag %j', (name) => {
    expect(namesOf({ name })).toEqual({ '10.0.1.10': ['ip-10-0-1-10.ec2.internal'] });
  });
});
