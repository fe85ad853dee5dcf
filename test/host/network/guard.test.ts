// What a guest must not be able to do with frames of its own making. Each test sends the forbidden frame first and an
// honest one after it: once the honest one has arrived, the other never will.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addressAt, parseCidr } from '../../../src/core/cidr.ts';
import type { SecurityGroupId } from '../../../src/core/ids.ts';
import { authorizeSecurityGroupIngress } from '../../../src/ec2/security-groups/authorize-security-group-ingress.ts';
import { bridgeMac } from '../../../src/ec2/vpcs/router-spec.ts';
import type { Guest } from '../../support/guest.ts';
import type { Conversation } from '../../support/guest-tool.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { PrivateCloud } from '../../support/private-cloud.ts';

let routerMac: string;
const EVERYBODY = 'ff:ff:ff:ff:ff:ff';

let before: Snapshot;
let cloud: PrivateCloud;
let router: string;
let open: SecurityGroupId;
let liar: Guest;
let victim: Guest;
let witness: Guest;

beforeAll(async () => {
  before = await snapshot();
  cloud = await PrivateCloud.open();
  router = addressAt(parseCidr(cloud.subnet().cidrBlock), 1);
  routerMac = bridgeMac(cloud.subnet().subnetId);
  // Security groups stop none of this: what is stopped, the port has stopped.
  open = await cloud.group('open');
  await authorizeSecurityGroupIngress(cloud.home.ctx, {
    GroupId: open,
    IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
  });
});
beforeEach(async () => {
  liar = await cloud.boot({ groups: [open] });
  victim = await cloud.boot({ groups: [open] });
  witness = await cloud.boot({ groups: [open] });
});
afterEach(async () => cloud.unplugAll());
afterAll(async () => {
  await PrivateCloud.closeAll();
  await expectNoLeaks(before);
});

interface Datagram {
  readonly from?: string;
  readonly fromMac?: string;
  readonly fromPort?: number;
  readonly to: string;
  readonly toMac?: string;
  readonly toPort?: number;
  readonly text: string;
}

/** Sends one datagram from the liar's link; honest and by way of the router unless told otherwise. */
async function send({
  from,
  fromMac,
  fromPort = 7000,
  to,
  toMac,
  toPort = 7000,
  text,
}: Datagram): Promise<void> {
  const source = [fromMac ?? liar.mac, from ?? liar.address, String(fromPort)];
  await liar.does('send-udp', toMac ?? routerMac, ...source, to, String(toPort), text);
}

const isLast = (said: unknown): boolean => String(said).startsWith('last ');

/** Texts of the frames that arrive until one says `last`. */
async function arriving(watch: Conversation): Promise<string> {
  const hex = (text: string): string => Buffer.from(text).toString('hex');
  const frames = await watch.until((frame) => String(frame).endsWith(hex('last')));
  return frames.map((frame) => Buffer.from(String(frame), 'hex').toString('latin1')).join('\n');
}

describe('a datagram', () => {
  test('with a neighbour’s address is dropped', async () => {
    const heard = await witness.starts('hear-datagrams', '7000');
    await send({ from: victim.address, to: witness.address, text: 'forged' });
    await send({ to: witness.address, text: 'last' });
    expect(await heard.until(isLast)).toEqual([`last from ${liar.address}`]);
  });

  test('with an address that nobody has is dropped', async () => {
    const heard = await witness.starts('hear-datagrams', '7000');
    const nobody = addressAt(parseCidr(cloud.subnet().cidrBlock), 4000);
    await send({ from: nobody, to: witness.address, text: 'forged' });
    await send({ to: witness.address, text: 'last' });
    expect(await heard.until(isLast)).toEqual([`last from ${liar.address}`]);
  });

  test.each(['its own', 'a neighbour’s'])('with a foreign MAC and %s address is dropped', async (whose) => {
    const heard = await witness.starts('hear-datagrams', '7000');
    const from = whose === 'its own' ? liar.address : victim.address;
    for (const fromMac of ['02:00:00:00:00:99', victim.mac])
      await send({ from, fromMac, to: witness.address, text: 'forged' });
    await send({ to: witness.address, text: 'last' });
    expect(await heard.until(isLast)).toEqual([`last from ${liar.address}`]);
  });

  test('straight to a neighbour’s MAC, or to everybody’s, never leaves the port', async () => {
    const watch = await witness.starts('watch-frames');
    for (const toMac of [witness.mac, EVERYBODY])
      await send({ to: witness.address, toMac, text: 'straight' });
    await send({ to: witness.address, text: 'last' });
    const frames = await arriving(watch);
    expect(frames).toContain('last');
    expect(frames).not.toContain('straight');
  });
});

describe('ARP', () => {
  test('in a neighbour’s name is not answered', async () => {
    const answered = await liar.does(
      'ask-arp',
      router,
      `${victim.address}@${liar.mac}`,
      `${liar.address}@${victim.mac}`,
      `${liar.address}@${liar.mac}`,
    );
    expect(answered).toEqual([liar.address]);
  });

  test('that claims a neighbour’s address takes nothing away from the neighbour', async () => {
    const heard = await victim.starts('hear-datagrams', '7000');
    const overheard = await liar.starts('watch-frames');
    const fromWitness = async (text: string): Promise<unknown> =>
      witness.does('send-udp', routerMac, witness.mac, witness.address, '7000', victim.address, '7000', text);
    // The kernel believes no second claim within a second of the first (arp(7), locktime).
    for (let round = 0; round < 2; round++) {
      await sleep(1_100);
      await liar.does('claim-by-arp', victim.address, liar.mac, router, routerMac);
    }
    await fromWitness('secret');
    await fromWitness('last');
    expect(await heard.until(isLast)).toEqual([
      `secret from ${witness.address}`,
      `last from ${witness.address}`,
    ]);
    await witness.does(
      'send-udp',
      routerMac,
      witness.mac,
      witness.address,
      '7000',
      liar.address,
      '7000',
      'last',
    );
    expect(await arriving(overheard)).not.toContain('secret');
  });

  test('for its own address is not answered when it has none yet: duplicate detection is safe', async () => {
    expect(await liar.does('ask-arp', liar.address, `0.0.0.0@${liar.mac}`)).toEqual([]);
    expect(await liar.does('ask-arp', router, `${liar.address}@${liar.mac}`)).toEqual([liar.address]);
  });
});

describe('a guest that plays DHCP server', () => {
  test('reaches no neighbour with its answers', async () => {
    const watch = await victim.starts('watch-frames');
    for (const from of [liar.address, router, '0.0.0.0'])
      for (const toMac of [EVERYBODY, victim.mac])
        await send({ from, fromPort: 67, to: '255.255.255.255', toMac, toPort: 68, text: 'lease' });
    await send({ to: victim.address, text: 'last' });
    expect(await arriving(watch)).not.toContain('lease');
  });

  test('hears no neighbour ask', async () => {
    const watch = await liar.starts('watch-frames');
    expect(await victim.dhcp()).toMatchObject({ address: victim.address });
    await victim.does(
      'send-udp',
      routerMac,
      victim.mac,
      victim.address,
      '7000',
      liar.address,
      '7000',
      'last',
    );
    const frames = await arriving(watch);
    expect(frames).toContain('last');
    expect(frames).not.toContain('\x63\x82\x53\x63');
  });
});
