// The metadata service answers an instance about itself and nobody else, by the only thing that cannot be forged: the
// network and the address that a request comes from.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { VpcId } from '../../../src/core/ids.ts';
import { applyVpcNetwork } from '../../../src/ec2/vpcs/network.ts';
import { MetadataListeners } from '../../../src/metadata-listeners.ts';
import { instances } from '../../../src/store/instances.ts';
import type { Guest } from '../../support/guest.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { World } from '../../support/world.ts';

const ID = '/latest/meta-data/instance-id';
const TOKEN = '/latest/api/token';
const TTL = 'X-aws-ec2-metadata-token-ttl-seconds: 60';

let before: Snapshot;
let world: World;
let listeners: MetadataListeners;
let vpc: VpcId;
/** In two subnets of one VPC, and in another VPC with the same addresses. */
let one: Guest;
let other: Guest;
let twin: Guest;

beforeAll(async () => {
  before = await snapshot();
  world = new World();
  const agentScript = join(import.meta.dirname, '../../../dist/agent.js');
  const tokenKey = { key: randomBytes(32), uptime: () => process.uptime() };
  listeners = new MetadataListeners({ ...world.ctx, agentScript }, { tokenKey });
  vpc = await world.vpc('10.96.0.0/16');
  const twinVpc = await world.vpc('10.96.0.0/16');
  const boot = async (vpcId: VpcId, block: string, address: string): Promise<Guest> =>
    world.boot({ subnet: await world.subnet(vpcId, block), groups: [await group(vpcId)], address });
  one = await boot(vpc, '10.96.1.0/24', '10.96.1.10');
  other = await boot(vpc, '10.96.2.0/24', '10.96.2.10');
  twin = await boot(twinVpc, '10.96.1.0/24', '10.96.1.10');
  for (const vpcId of [vpc, twinVpc]) await listeners.serve(vpcId);
});
afterAll(async () => {
  await listeners.close();
  await World.closeAll();
  await expectNoLeaks(before);
});

const groups = new Map<VpcId, Awaited<ReturnType<World['openGroup']>>>();
async function group(vpcId: VpcId): Promise<Awaited<ReturnType<World['openGroup']>>> {
  const known = groups.get(vpcId) ?? (await world.openGroup(vpcId));
  groups.set(vpcId, known);
  return known;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** Of the packets that brought it. */
  readonly ttls: readonly number[];
}

function request(method: string, path: string, ...headers: readonly string[]): string {
  return [`${method} ${path} HTTP/1.1`, 'Host: 169.254.169.254', ...headers, '', ''].join('\r\n');
}

/** What the service says to these pieces of a request, each in a packet of its own. */
async function ask(guest: Guest, pieces: readonly string[], from = ''): Promise<Answer | null> {
  return (await guest.does('ask-metadata', JSON.stringify(pieces), from)) as Answer | null;
}

async function tokenOf(guest: Guest): Promise<string> {
  return (await ask(guest, [request('PUT', TOKEN, TTL)]))?.body ?? '';
}

const withToken = (token: string): string => request('GET', ID, `X-aws-ec2-metadata-token: ${token}`);
const idOf = ({ interface: { attachment } }: Guest): string => attachment?.instanceId ?? '';

describe('an instance', () => {
  test('reads about itself, in whatever subnet or VPC it is', async () => {
    for (const guest of [one, other, twin])
      expect(await ask(guest, [withToken(await tokenOf(guest))])).toMatchObject({
        status: 200,
        body: idOf(guest),
      });
  });

  test('gets nowhere with another’s token, not even one of the same address', async () => {
    const token = await tokenOf(one);
    for (const guest of [other, twin])
      expect(await ask(guest, [withToken(token)])).toMatchObject({ status: 401, body: '' });
    expect(await ask(one, [request('GET', ID)])).toMatchObject({ status: 401, body: '' });
  });

  test('cannot ask in another’s name', async () => {
    const claims = ['X-Forwarded-For', 'Forwarded', 'X-Real-IP', 'Via'].map(
      (name) => `${name}: ${other.address}`,
    );
    const [token, header] = [await tokenOf(one), 'X-Forwarded-For: 10.96.2.10'];
    expect(await ask(one, [request('PUT', TOKEN, TTL, header)])).toMatchObject({ status: 403, body: '' });
    const asked = request('GET', ID, `X-aws-ec2-metadata-token: ${token}`, ...claims);
    expect(await ask(one, [asked])).toMatchObject({ status: 200, body: idOf(one) });
  });

  test('hears nothing at an address that is not its own', async () => {
    for (const address of [other.address, '10.96.1.77', '198.51.100.7']) {
      one.ip('addr', 'add', `${address}/32`, 'dev', 'eth0');
      expect(await ask(one, [request('PUT', TOKEN, TTL)], address)).toBe(null);
      one.ip('addr', 'del', `${address}/32`, 'dev', 'eth0');
    }
    const { vpcId, subnetId } = one.interface;
    const subnet = await world.subnet(vpcId, '10.96.3.0/24');
    expect(subnet.subnetId).not.toBe(subnetId);
    const forwarder = await world.boot({ subnet, groups: [await group(vpcId)], sourceDestCheck: false });
    forwarder.ip('addr', 'add', '198.51.100.7/32', 'dev', 'eth0');
    expect(await ask(forwarder, [request('PUT', TOKEN, TTL)], '198.51.100.7')).toBe(null);
  });
});

describe('the answer with a token', () => {
  const put = request('PUT', TOKEN, TTL);
  const close = request('PUT', TOKEN, TTL, 'Connection: close');

  test('travels as far as the instance allows; all others as far as they like', async () => {
    for (const hops of [1, 2, 64]) {
      setHopLimit(hops);
      await applyVpcNetwork(world.ctx, vpc);
      const answer = await ask(one, [put]);
      expect(answer).toMatchObject({ status: 200, ttls: [hops] });
      expect(await ask(one, [withToken(answer?.body ?? '')])).toMatchObject({ status: 200, ttls: [64] });
      expect(await ask(one, [request('GET', ID)])).toMatchObject({ status: 401, ttls: [64] });
    }
  });

  test.each([
    ['cut into pieces', () => ['P', 'U', 'T', ' ', put.slice(4)]],
    ['behind another request in one packet', () => [request('GET', ID) + close]],
    ['behind another request that was answered', () => [request('GET', ID), close]],
    ['behind an empty line', () => ['\r\n', close]],
    ['disguised as another request that never ends', () => ['GET ', put]],
  ])('travels no farther when it is asked for %s', async (_, pieces) => {
    setHopLimit(1);
    await applyVpcNetwork(world.ctx, vpc);
    const answer = await ask(one, pieces());
    const hasToken = /[\w-]{20,}==$/.test(answer?.body ?? '');
    expect(hasToken ? answer?.ttls : [1]).toEqual([1]);
  });

  function setHopLimit(httpPutResponseHopLimit: number): void {
    const instance = instances.get(world.ctx.db, idOf(one));
    if (instance === undefined) throw new Error('the instance is gone');
    const metadataOptions = { ...instance.metadataOptions, httpPutResponseHopLimit };
    instances.update(world.ctx.db, { ...instance, metadataOptions });
  }
});
