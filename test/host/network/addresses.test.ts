import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { addressAt, parseCidr } from '../../../src/core/cidr.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { PrivateCloud } from '../../support/private-cloud.ts';

let before: Snapshot;
let cloud: PrivateCloud;
let resolver: string;

beforeAll(async () => {
  before = await snapshot();
  cloud = await PrivateCloud.open();
  resolver = addressAt(parseCidr(cloud.vpc.cidrBlock), 2);
});
afterEach(async () => cloud.unplugAll());
afterAll(async () => {
  await PrivateCloud.closeAll();
  await expectNoLeaks(before);
});

const nameOf = (address: string): string => `ip-${address.replaceAll('.', '-')}.ec2.internal`;

describe('DHCP', () => {
  test.each([0, 1, 2])('a guest in subnet %i gets exactly the address that is recorded', async (index) => {
    const subnet = cloud.subnet(index);
    const cidr = parseCidr(subnet.cidrBlock);
    const wanted = addressAt(cidr, 77 + index);
    const guest = await cloud.plug({ subnet, address: wanted });
    expect(await guest.dhcp()).toMatchObject({
      kind: 5,
      address: wanted,
      netmask: '255.255.240.0',
      router: addressAt(cidr, 1),
      resolver,
      hostname: `ip-${wanted.replaceAll('.', '-')}`,
      domain: 'ec2.internal',
      mtu: 9001,
    });
  });

  test('two guests of one subnet get an address each, again and again', async () => {
    const guests = [await cloud.plug(), await cloud.plug()];
    for (let round = 0; round < 3; round++)
      for (const guest of guests) expect(await guest.dhcp()).toMatchObject({ address: guest.address });
  });

  test('another guest’s address is refused to a guest that asks for it', async () => {
    const [first, second] = [await cloud.plug(), await cloud.plug()];
    expect(await first.dhcp(first.mac, first.address)).toMatchObject({ kind: 5, address: first.address });
    expect(await second.dhcp(second.mac, first.address)).toMatchObject({ kind: 6 });
  });

  test('a MAC that nobody recorded gets nothing', async () => {
    const guest = await cloud.plug();
    expect(await guest.dhcp('02:00:00:00:00:99')).toBeNull();
    expect(await guest.dhcp()).toMatchObject({ address: guest.address });
  });

  test('an address that has been given back goes to the next guest', async () => {
    const address = addressAt(parseCidr(cloud.subnet().cidrBlock), 200);
    const first = await cloud.boot({ address });
    await cloud.unplug(first);
    const second = await cloud.plug({ address });
    expect(second.mac).not.toBe(first.mac);
    expect(await second.dhcp()).toMatchObject({ address });
  });
});

describe('DNS without internet', () => {
  test('the private name of every address leads to it and back', async () => {
    const guest = await cloud.boot();
    expect(await guest.dns(resolver, nameOf(guest.address))).toEqual({ code: 0, records: [guest.address] });
    const other = addressAt(parseCidr(cloud.subnet(2).cidrBlock), 300);
    expect(await guest.dns(resolver, nameOf(other))).toEqual({ code: 0, records: [other] });
    const reverse = `${guest.address.split('.').toReversed().join('.')}.in-addr.arpa`;
    expect(await guest.dns(resolver, reverse, 'PTR')).toEqual({ code: 0, records: [nameOf(guest.address)] });
  });

  test('EC2’s link-local resolver answers the same', async () => {
    const guest = await cloud.boot();
    expect(await guest.dns('169.254.169.253', nameOf(guest.address))).toEqual({
      code: 0,
      records: [guest.address],
    });
  });

  test('a private name of another network’s address is unknown', async () => {
    const guest = await cloud.boot();
    expect(await guest.dns(resolver, nameOf('192.0.2.1'))).toEqual({ code: 3, records: [] });
  });

  test.each(['debian.org', 'one.one.one.one', 'localdomain'])('%s does not resolve', async (name) => {
    const guest = await cloud.boot();
    const answer = await guest.dns(resolver, name);
    expect(answer?.records).toEqual([]);
    expect(answer?.code).not.toBe(0);
  });

  test('no other resolver is reached', async () => {
    const guest = await cloud.boot();
    expect(await guest.dns('1.1.1.1', 'debian.org')).toBeNull();
  });
});
