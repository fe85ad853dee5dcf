// Whatever is taken away by hand is found, and made again while guests go on.
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { linkName } from '../../../src/core/link-name.ts';
import type { Guest } from '../../support/guest.ts';
import { driftOf, mendDrift } from '../../../src/ec2/vpcs/network-drift.ts';
import { hostTableName } from '../../../src/ec2/vpcs/network-note.ts';
import { bridgeOf } from '../../../src/ec2/vpcs/router-spec.ts';
import { transact } from '../../../src/store/database.ts';
import { securityGroups } from '../../../src/store/security-groups.ts';
import { recordedIdentity } from '../../../src/host/process/identity.ts';
import { tool } from '../../support/guest-tool.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { PrivateCloud } from '../../support/private-cloud.ts';

let before: Snapshot;
let cloud: PrivateCloud;
let server: Guest;
let client: Guest;
let other: Guest;
beforeAll(async () => {
  before = await snapshot();
  cloud = await PrivateCloud.open();
  server = await cloud.boot();
  client = await cloud.boot();
  other = await cloud.boot({ subnet: cloud.subnet(1) });
  await server.starts('serve', '22');
});
afterAll(async () => {
  await PrivateCloud.closeAll();
  await expectNoLeaks(before);
});

const inside = (...words: string[]): void => {
  execFileSync('nsenter', [`--net=/run/netns/${cloud.vpc.vpcId}`, ...words]);
};
const bridge = (): string => bridgeOf(cloud.subnet().subnetId);

async function expectAllWell(): Promise<void> {
  expect(await client.connects(server.address, 22)).toBe(`open ${client.address}`);
  expect(await other.connects(server.address, 22)).toBe(`open ${other.address}`);
  expect(await tool(undefined, 'connect', server.address, '22')).toMatch(/^open /);
  expect(await client.dhcp()).toMatchObject({ address: client.address });
}

const DAMAGES: Readonly<Record<string, () => void>> = {
  'a bridge': () => inside('ip', 'link', 'del', bridge()),
  'a bridge’s address': () => inside('ip', 'addr', 'flush', 'dev', bridge()),
  'a bridge that is down': () => inside('ip', 'link', 'set', bridge(), 'down'),
  'a port’s master': () => inside('ip', 'link', 'set', server.tap, 'nomaster'),
  'a port that is down': () => inside('ip', 'link', 'set', server.tap, 'down'),
  'the isolation of a port': () => inside('bridge', 'link', 'set', 'dev', client.tap, 'isolated', 'off'),
  'a service address': () => inside('ip', 'addr', 'del', '169.254.169.254/32', 'dev', 'lo'),
  'a rule of a segment': () => inside('ip', 'rule', 'del', 'iif', bridge()),
  'all routes': () => inside('ip', 'route', 'flush', 'table', 'main'),
  'the firewall’s table': () => inside('nft', 'delete', 'table', 'inet', 'bonami'),
  'all of the firewall': () => inside('nft', 'flush', 'ruleset'),
  'the guards': () => inside('nft', 'flush', 'table', 'netdev', 'bonami'),
  'the uplink': () => execFileSync('ip', ['link', 'del', linkName('bnv', cloud.vpc.vpcId)]),
  'the uplink’s address': () =>
    execFileSync('ip', ['addr', 'flush', 'dev', linkName('bnv', cloud.vpc.vpcId)]),
  'the host’s route': () => execFileSync('ip', ['route', 'del', cloud.vpc.cidrBlock]),
  'the host’s table': () => execFileSync('nft', ['delete', 'table', 'inet', hostTableName(cloud.vpc.vpcId)]),
  dnsmasq: () => {
    const identity = recordedIdentity(cloud.home.ctx.layout.vpc(cloud.vpc.vpcId).dnsmasqProcess);
    if (identity) process.kill(identity.pid, 'SIGKILL');
  },
};

describe('found and mended, while guests go on:', () => {
  test.each(Object.keys(DAMAGES))('%s', async (name) => {
    const { ctx } = cloud.home;
    const flow = await client.starts('talk', server.address, '22');
    expect(await driftOf(ctx, cloud.vpc.vpcId)).toEqual({ changes: [], cutOff: [] });
    DAMAGES[name]?.();
    expect((await driftOf(ctx, cloud.vpc.vpcId)).changes).not.toEqual([]);
    const { changes, cutOff } = await mendDrift(ctx, cloud.vpc.vpcId);
    expect(changes).not.toEqual([]);
    expect(cutOff).toEqual([]);
    expect(await driftOf(ctx, cloud.vpc.vpcId)).toEqual({ changes: [], cutOff: [] });
    expect(await flow.ask('still there?')).toBe('still there?');
    await expectAllWell();
  });
});

test('rules that were recorded, but never put into force, are found and mended', async () => {
  const { ctx } = cloud.home;
  const { vpcId } = cloud.vpc;
  const group = securityGroups.get(ctx.db, cloud.defaultGroup);
  if (group === undefined) throw new Error('no group');
  // As many rules as before, of the same shape: only what they were made from tells.
  const rules = group.rules.map((rule) =>
    rule.fromPort === 22 ? { ...rule, fromPort: 23, toPort: 23 } : rule,
  );
  transact(ctx.db, () => securityGroups.update(ctx.db, { ...group, rules }));
  expect((await driftOf(ctx, vpcId)).changes).toEqual(['its firewall rules are not all there']);
  await mendDrift(ctx, vpcId);
  expect(await driftOf(ctx, vpcId)).toMatchObject({ changes: [] });
  transact(ctx.db, () => securityGroups.update(ctx.db, group));
  await mendDrift(ctx, vpcId);
});

describe('found, and mended by a new start only:', () => {
  test('a tap', async () => {
    const { ctx } = cloud.home;
    inside('ip', 'link', 'del', other.tap);
    const { changes, cutOff } = await mendDrift(ctx, cloud.vpc.vpcId);
    expect(changes).not.toEqual([]);
    expect(cutOff.map(({ networkInterfaceId }) => networkInterfaceId)).toEqual([
      other.interface.networkInterfaceId,
    ]);
    expect(await client.connects(server.address, 22)).toBe(`open ${client.address}`);
  });

  test('the whole namespace', async () => {
    const { ctx } = cloud.home;
    execFileSync('ip', ['netns', 'del', cloud.vpc.vpcId]);
    expect((await driftOf(ctx, cloud.vpc.vpcId)).changes).toEqual(['its namespace is missing']);
    const { cutOff } = await mendDrift(ctx, cloud.vpc.vpcId);
    expect(cutOff).toHaveLength(3);
    const fresh = [await cloud.boot(), await cloud.boot()] as const;
    await fresh[0].starts('serve', '22');
    expect(await fresh[1].connects(fresh[0].address, 22)).toBe(`open ${fresh[1].address}`);
  });
});
