import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import { associateDhcpOptions } from '../../../../src/ec2/dhcp-options/associate-dhcp-options.ts';
import { createDhcpOptions } from '../../../../src/ec2/dhcp-options/create-dhcp-options.ts';
import { deleteDhcpOptions } from '../../../../src/ec2/dhcp-options/delete-dhcp-options.ts';
import { describeDhcpOptions } from '../../../../src/ec2/dhcp-options/describe-dhcp-options.ts';
import { describeVpcs } from '../../../../src/ec2/vpcs/describe-vpcs.ts';
import { NetworkRecords, refusal } from '../../../support/network-records.ts';

let net: NetworkRecords;
beforeEach(() => {
  net = new NetworkRecords();
});
afterEach(() => net[Symbol.dispose]());

const create = (Key: string, Values: string[]): string =>
  createDhcpOptions(net.ctx, { DhcpConfigurations: [{ Key, Values }] }).DhcpOptions?.DhcpOptionsId ?? '';

describe('values', () => {
  test.each([
    ['domain-name', ['lab.example']],
    ['domain-name', ['lab.example other.example']],
    ['domain-name-servers', ['10.0.0.53', 'AmazonProvidedDNS']],
    ['domain-name-servers', ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']],
    ['ntp-servers', ['169.254.169.123']],
    ['netbios-name-servers', ['10.0.0.9']],
    ['netbios-node-type', ['2']],
  ])('of %s: %j are told as they were given', (Key, values) => {
    const [options] =
      describeDhcpOptions(net.ctx, { DhcpOptionsIds: [create(Key, values)] }).DhcpOptions ?? [];
    expect(options?.DhcpConfigurations).toEqual([{ Key, Values: values.map((Value) => ({ Value })) }]);
  });

  test.each([
    ['domain-name', []],
    ['domain-name', ['a.example', 'b.example']],
    ['domain-name', ['a,b']],
    ['domain-name', ['a\nserver=/x/']],
    ['domain-name', ['a\u0000']],
    ['domain-name', ['a  b']],
    ['domain-name', [' a']],
    ['domain-name', ['-a']],
    ['domain-name', ['a..b']],
    ['domain-name', ['a.example.']],
    ['domain-name', [`${'a'.repeat(64)}.example`]],
    ['domain-name', [`${'abcdefg.'.repeat(32)}example`]],
    ['domain-name', ['']],
    ['domain-name-servers', []],
    ['domain-name-servers', ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5']],
    ['domain-name-servers', ['10.0.0.1,10.0.0.2']],
    ['domain-name-servers', ['10.0.0.1\n']],
    ['domain-name-servers', ['dns.example']],
    ['domain-name-servers', ['fd00::53']],
    ['domain-name-servers', ['amazonprovideddns']],
    ['ntp-servers', ['AmazonProvidedDNS']],
    ['ntp-servers', ['10.0.0.256']],
    ['netbios-name-servers', ['10.0.0']],
    ['netbios-node-type', ['3']],
    ['netbios-node-type', ['1', '2']],
    ['tftp-server', ['10.0.0.1']],
    ['toString', ['10.0.0.1']],
  ])('of %s: %j are refused', (key, values) => {
    expect(() => create(key, values)).toThrow(refusal('InvalidParameterValue'));
  });

  test('are given once for each key, and for one at least', () => {
    const Key = 'ntp-servers';
    expect(() =>
      createDhcpOptions(net.ctx, {
        DhcpConfigurations: [
          { Key, Values: ['10.0.0.1'] },
          { Key, Values: ['10.0.0.2'] },
        ],
      }),
    ).toThrow(refusal('InvalidParameterValue'));
    expect(() => createDhcpOptions(net.ctx, {})).toThrow(refusal('MissingParameter'));
    expect(describeDhcpOptions(net.ctx, {}).DhcpOptions).toEqual([]);
  });
});

test('a VPC uses a set, and EC2’s own again', async () => {
  const VpcId = await net.vpc();
  const DhcpOptionsId = create('domain-name', ['lab.example']);
  const used = async (): Promise<unknown> =>
    (await describeVpcs(net.ctx, { VpcIds: [VpcId] })).Vpcs?.[0]?.DhcpOptionsId;
  await associateDhcpOptions(net.ctx, { VpcId, DhcpOptionsId });
  expect(await used()).toBe(DhcpOptionsId);
  expect(() => deleteDhcpOptions(net.ctx, { DhcpOptionsId })).toThrow(refusal('DependencyViolation', VpcId));
  await associateDhcpOptions(net.ctx, { VpcId, DhcpOptionsId: 'default' });
  expect(await used()).toBe('default');
  deleteDhcpOptions(net.ctx, { DhcpOptionsId });
  expect(() => deleteDhcpOptions(net.ctx, { DhcpOptionsId })).toThrow(
    refusal('InvalidDhcpOptionID.NotFound'),
  );
});

test('unknown ones and dry runs are refused', async () => {
  const VpcId = await net.vpc();
  const DhcpOptionsId = create('domain-name', ['lab.example']);
  for (const [request, code] of [
    [{ VpcId, DhcpOptionsId: newId('dhcpOptions') }, 'InvalidDhcpOptionID.NotFound'],
    [{ VpcId, DhcpOptionsId: 'dopt-x' }, 'InvalidDhcpOptionsId.Malformed'],
    [{ VpcId: newId('vpc'), DhcpOptionsId }, 'InvalidVpcID.NotFound'],
    [{ VpcId, DhcpOptionsId, DryRun: true }, 'DryRunOperation'],
  ] as const)
    await expect(associateDhcpOptions(net.ctx, request)).rejects.toThrow(refusal(code));
  expect(net.vpcRecord(VpcId).dhcpOptionsId).toBeNull();
});

test('sets are found by key and value', () => {
  const DhcpOptionsId = create('domain-name', ['lab.example']);
  create('ntp-servers', ['10.0.0.1']);
  for (const [Name, value] of [
    ['key', 'domain-name'],
    ['value', 'lab.*'],
    ['dhcp-options-id', DhcpOptionsId],
  ] as const)
    expect(describeDhcpOptions(net.ctx, { Filters: [{ Name, Values: [value] }] }).DhcpOptions).toMatchObject([
      { DhcpOptionsId },
    ]);
});
