import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { addressAt, parseCidr } from '../../../src/core/cidr.ts';
import { linkName } from '../../../src/core/link-name.ts';
import { ensureVpcNetwork, isReachableFromHost, repairVpcServices } from '../../../src/ec2/vpcs/network.ts';
import { hostTableName } from '../../../src/ec2/vpcs/network-note.ts';
import { ensureDnsmasq, isServing } from '../../../src/host/dhcp/dnsmasq.ts';
import { tablesOf } from '../../../src/host/firewall/apply.ts';
import { namedNamespace, OWN_NAMESPACE } from '../../../src/host/link/namespace.ts';
import { isRunning, recordedIdentity, type ProcessIdentity } from '../../../src/host/process/identity.ts';
import { waitUntil } from '../../../src/host/wait-until.ts';
import { tool } from '../../support/guest-tool.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { PrivateCloud } from '../../support/private-cloud.ts';

let before: Snapshot;
beforeAll(async () => {
  before = await snapshot();
});
afterAll(async () => {
  await PrivateCloud.closeAll();
  await expectNoLeaks(before);
});

const placeOf = ({ home, vpc }: PrivateCloud) => ({
  namespace: home.ctx.ground.router(vpc.vpcId),
  isRootless: false,
});

const pathsOf = ({ home, vpc }: PrivateCloud) => home.ctx.layout.vpc(vpc.vpcId);

function dnsmasqOf(cloud: PrivateCloud): ProcessIdentity {
  const identity = recordedIdentity(pathsOf(cloud).dnsmasqProcess);
  if (identity === undefined) throw new Error('no dnsmasq is recorded');
  return identity;
}

async function killDnsmasq(cloud: PrivateCloud): Promise<void> {
  const identity = dnsmasqOf(cloud);
  process.kill(identity.pid, 'SIGKILL');
  await waitUntil(() => !isRunning(identity) || undefined, { timeoutMs: 5_000 });
}

describe('a network that stands', () => {
  let cloud: PrivateCloud;
  beforeAll(async () => {
    cloud = await PrivateCloud.open();
  });
  afterEach(async () => cloud.unplugAll());
  afterAll(async () => cloud.close());

  test('a dnsmasq that was killed is replaced by a repair, which serves old and new guests', async () => {
    const { ctx } = cloud.home;
    const old = await cloud.plug();
    await killDnsmasq(cloud);
    expect(isServing(pathsOf(cloud), placeOf(cloud).namespace)).toBe(false);
    expect(await old.dhcp()).toBeNull();
    await repairVpcServices(ctx, cloud.vpc.vpcId);
    expect(isServing(pathsOf(cloud), placeOf(cloud).namespace)).toBe(true);
    expect(await old.dhcp()).toMatchObject({ address: old.address });
    const fresh = await cloud.plug();
    expect(await fresh.dhcp()).toMatchObject({ address: fresh.address });
  });

  test('a dnsmasq that runs is left alone by a repair and by a launch', async () => {
    // What earlier guests gave back makes the first launch restart it.
    await ensureVpcNetwork(cloud.home.ctx, cloud.vpc.vpcId);
    const running = dnsmasqOf(cloud);
    await repairVpcServices(cloud.home.ctx, cloud.vpc.vpcId);
    await ensureVpcNetwork(cloud.home.ctx, cloud.vpc.vpcId);
    expect(dnsmasqOf(cloud)).toEqual(running);
    expect(isRunning(running)).toBe(true);
  });

  test('a launch does not need the repair', async () => {
    await killDnsmasq(cloud);
    const guest = await cloud.plug();
    expect(await guest.dhcp()).toMatchObject({ address: guest.address });
  });

  test('a dnsmasq that takes the place of another serves each time', async () => {
    for (let round = 0; round < 20; round++) {
      const guest = await cloud.plug();
      // Giving an interface back makes the next launch restart dnsmasq.
      expect(await guest.dhcp()).toMatchObject({ address: guest.address });
      await cloud.unplug(guest);
    }
  });

  test('a dnsmasq that does not start says why', async () => {
    const network = {
      blocks: [cloud.vpc.cidrBlock],
      segments: [],
      resolver: 'nonsense',
      answersNames: true,
      domain: 'ec2.internal',
      searchDomain: 'ec2.internal',
      nameServers: [],
      timeServers: [],
      netbiosServers: [],
      metadataAddress: '169.254.169.254',
      mtu: 9001,
      upstream: [],
    };
    await killDnsmasq(cloud);
    await expect(ensureDnsmasq(pathsOf(cloud), placeOf(cloud), network)).rejects.toThrow(
      /dnsmasq did not start: .* at line 8 of /,
    );
    await repairVpcServices(cloud.home.ctx, cloud.vpc.vpcId);
    expect(isServing(pathsOf(cloud), placeOf(cloud).namespace)).toBe(true);
  });

  test('a namespace that was deleted by hand is built anew, with a dnsmasq inside', async () => {
    const dnsmasq = dnsmasqOf(cloud);
    execFileSync('ip', ['netns', 'del', cloud.vpc.vpcId]);
    await ensureVpcNetwork(cloud.home.ctx, cloud.vpc.vpcId);
    // The kernel may give the new one the old one's number; only a process inside can still be the old one's.
    expect(isRunning(dnsmasq)).toBe(false);
    const [one, two] = [await cloud.boot(), await cloud.boot({ subnet: cloud.subnet(1) })];
    await one.starts('serve', '22');
    expect(await two.connects(one.address, 22)).toBe(`open ${two.address}`);
    expect(await tool(undefined, 'connect', one.address, '22')).toMatch(/^open /);
  });
});

describe('two homes with the same addresses', () => {
  test('work side by side, and one survives the other’s removal', async () => {
    // Both are recorded before either is built, so both find the same block free.
    const clouds = [await PrivateCloud.record(), await PrivateCloud.record()] as const;
    const [first, second] = clouds;
    expect(second.vpc.cidrBlock).toBe(first.vpc.cidrBlock);
    for (const { home, vpc } of clouds) await ensureVpcNetwork(home.ctx, vpc.vpcId);
    expect(clouds.map(({ home, vpc }) => isReachableFromHost(home.ctx, vpc.vpcId))).toEqual([true, false]);
    expect(second.home.reported.warnings.join()).toContain(second.vpc.cidrBlock);

    const [address, client, alone] = [50, 51, 52].map((each) =>
      addressAt(parseCidr(first.subnet().cidrBlock), each),
    ) as [string, string, string];
    const servers = [await first.boot({ address }), await second.boot({ address })] as const;
    await servers[0].starts('serve', '22');
    await servers[1].starts('serve', '23');
    const clients = [await first.boot({ address: client }), await second.boot({ address: client })] as const;
    expect(await clients[0].connects(address, 22)).toBe(`open ${client}`);
    expect(await clients[0].connects(address, 23)).toBe('Connection refused');
    expect(await clients[1].connects(address, 23)).toBe(`open ${client}`);
    expect(await clients[1].connects(address, 22)).toBe('Connection refused');
    await first.boot({ address: alone });
    expect(await clients[1].pings(alone)).toBe('silent');
    expect(await tool(undefined, 'connect', address, '22')).toMatch(/^open /);

    await first.close();
    expect(await clients[1].connects(address, 23)).toBe(`open ${client}`);
    expect(await clients[1].dhcp()).toMatchObject({ address: client });
    await second.close();
  });
});

describe('a removal', () => {
  test('leaves nothing, with a dead dnsmasq or a deleted namespace too, and can be repeated', async () => {
    const cloud = await PrivateCloud.record();
    const { home, vpc } = cloud;
    const breakages = [
      async () => cloud.unplug(await cloud.boot()),
      async () => killDnsmasq(cloud),
      async () => execFileSync('ip', ['netns', 'del', vpc.vpcId]),
      async () => execFileSync('ip', ['link', 'del', linkName('bnv', vpc.vpcId)]),
    ];
    for (const wreck of breakages) {
      await ensureVpcNetwork(home.ctx, vpc.vpcId);
      const dnsmasq = dnsmasqOf(cloud);
      expect(await tablesOf(OWN_NAMESPACE)).toContain(`inet ${hostTableName(vpc.vpcId)}`);
      await wreck();
      await cloud.removeNetwork();
      await cloud.removeNetwork();
      expect(isRunning(dnsmasq)).toBe(false);
      expect(existsSync(namedNamespace(vpc.vpcId).file)).toBe(false);
      expect(existsSync(`/sys/class/net/${linkName('bnv', vpc.vpcId)}`)).toBe(false);
      expect(await tablesOf(OWN_NAMESPACE)).not.toContain(`inet ${hostTableName(vpc.vpcId)}`);
      expect(existsSync(pathsOf(cloud).runFolder)).toBe(false);
    }
    await cloud.close();
  });
});
