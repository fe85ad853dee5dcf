// Networks on a host that has its own: other people's firewalls, other networks with the same addresses, no IPv6. The
// host is a namespace of the test's own, so nothing of this one is disturbed.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { VpcId } from '../../../src/core/ids.ts';
import { allocateAddress } from '../../../src/ec2/addresses/allocate-address.ts';
import { associateAddress } from '../../../src/ec2/addresses/associate-address.ts';
import {
  applyVpcNetwork,
  ensureVpcNetwork,
  isReachableFromHost,
  removeVpcNetwork,
} from '../../../src/ec2/vpcs/network.ts';
import type { Guest } from '../../support/guest.ts';
import { tool } from '../../support/guest-tool.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { PrivateHost } from '../../support/private-host.ts';
import { World } from '../../support/world.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

let before: Snapshot;
let host: PrivateHost;
let world: World;

beforeAll(async () => {
  before = await snapshot();
});
beforeEach(async () => {
  host = await PrivateHost.open();
  world = new World({ ground: host.ground });
});
afterEach(async () => {
  await World.closeAll();
  await host.close();
});
afterAll(async () => expectNoLeaks(before));

const publicAddresses = new Map<Guest, string>();

/** A VPC with a way out and a guest with a public address that lets everybody in, with a service on port 22. */
async function boot(cidrBlock: string): Promise<{ readonly vpc: VpcId; readonly guest: Guest }> {
  const vpc = await world.vpc(cidrBlock, { internet: true });
  const subnet = await world.subnet(vpc, cidrBlock.replace('.0.0/16', '.1.0/24'));
  const guest = await world.boot({ subnet, groups: [await world.openGroup(vpc)] });
  await guest.starts('serve', '22');
  const { AllocationId, PublicIp = '' } = await allocateAddress(world.ctx, {});
  await associateAddress(world.ctx, {
    AllocationId,
    NetworkInterfaceId: guest.interface.networkInterfaceId,
  });
  publicAddresses.set(guest, PublicIp);
  return { vpc, guest };
}

/** What a guest reaches, and who reaches it. */
async function ways(guest: Guest): Promise<unknown> {
  const [out, fromHost, fromOutside] = await Promise.all([
    guest.connects(host.outside, 7000),
    host.connects('host', guest.address, 22),
    host.connects('outside', publicAddresses.get(guest) ?? '', 22),
  ]);
  return { out, fromHost: String(fromHost).replace(/169\.254\.\d+\.\d+/, 'an uplink'), fromOutside };
}

const open = (): unknown => ({
  out: `open ${host.address}`,
  fromHost: 'open an uplink',
  fromOutside: `open ${host.outside}`,
});

describe('beside', () => {
  const DOCKER = ['iptables-nft', 'ip6tables-nft'].flatMap((program) => [
    [program, '-P FORWARD DROP'],
    ...['DOCKER-USER', 'DOCKER-FORWARD', 'DOCKER'].map((chain) => [program, `-N ${chain}`]),
    [program, '-A DOCKER-USER -j RETURN'],
    [program, '-A FORWARD -j DOCKER-USER'],
    [program, '-A FORWARD -j DOCKER-FORWARD'],
    [program, '-A DOCKER-FORWARD -i docker0 -j ACCEPT'],
    [program, '-A DOCKER ! -i docker0 -o docker0 -j DROP'],
    [program, '-t nat -A POSTROUTING ! -o docker0 -m mark --mark 0x77 -j MASQUERADE'],
  ]) as readonly (readonly [string, string])[];
  const UFW = ['iptables-nft', 'ip6tables-nft'].flatMap((program) => [
    [program, '-P FORWARD DROP'],
    [program, '-N ufw-before-forward'],
    [program, '-A FORWARD -j ufw-before-forward'],
    [program, '-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'],
  ]) as readonly (readonly [string, string])[];
  const FIREWALLD = `table inet firewalld {
    chain filter_FORWARD {
      type filter hook forward priority filter + 10; policy accept;
      ct state { established, related } accept
      ct status dnat accept
      iifname "lo" accept
      ct state invalid drop
      jump filter_FORWARD_POLICIES
      reject with icmpx admin-prohibited
    }
    chain filter_FORWARD_POLICIES {
      iifname "ext0" oifname "ext0" accept
    }
  }\n`;
  const build = (commands: readonly (readonly [string, string])[]): void => {
    for (const [program, words] of commands) host.run(program, words.split(' '));
  };

  const FIREWALLS: readonly (readonly [string, () => void])[] = [
    ['Docker', () => build(DOCKER)],
    ['firewalld', () => void host.run('nft', ['-f', '-'], FIREWALLD)],
    ['ufw', () => build(UFW)],
    [
      'Docker and firewalld',
      () => {
        build(DOCKER);
        host.run('nft', ['-f', '-'], FIREWALLD);
      },
    ],
  ];

  const ours = (): number => host.rules().match(/comment "bonami"/g)?.length ?? 0;

  test.each(FIREWALLS)(
    '%s machines get out and in, and its rules are in the end as they were',
    async (_, start) => {
      start();
      const rules = host.rules();
      const { vpc, guest } = await boot('10.50.0.0/16');
      expect(await ways(guest)).toEqual(open());
      const count = ours();
      expect(count).toBeGreaterThan(0);
      const second = await boot('10.51.0.0/16');
      await ensureVpcNetwork(world.ctx, vpc);
      await applyVpcNetwork(world.ctx, vpc);
      expect(ours()).toBe(count);
      expect(withoutOurs(host.rules())).toBe(rules);
      await take(second);
      expect(ours()).toBe(count);
      expect(await guest.connects(host.outside, 7000)).toBe(`open ${host.address}`);
      await take({ vpc, guest });
      expect(host.rules()).toBe(rules);
    },
  );

  test('a firewall that is started later, or builds its chains anew, machines get through after the next look', async () => {
    const { vpc, guest } = await boot('10.50.0.0/16');
    const tables = host.rules();
    for (const start of [() => build(DOCKER), () => void host.run('nft', ['-f', '-'], FIREWALLD)]) {
      start();
      expect(await guest.connects(host.outside, 7000)).not.toBe(`open ${host.address}`);
      await ensureVpcNetwork(world.ctx, vpc);
      expect(await ways(guest)).toEqual(open());
    }
    host.run('nft', ['flush', 'chain', 'ip', 'filter', 'DOCKER-USER']);
    await ensureVpcNetwork(world.ctx, vpc);
    expect(await ways(guest)).toEqual(open());
    // Its program removes its tables, with what is ours in them.
    for (const table of ['inet firewalld', 'ip filter', 'ip6 filter', 'ip nat', 'ip6 nat'])
      host.run('nft', ['delete', 'table', ...table.split(' ')]);
    expect(host.rules()).toBe(tables);
    await take({ vpc, guest });
    expect(host.rules()).toBe('');
  });

  test('a firewall of another kind is left to its owner', async () => {
    const text =
      'table inet mine {\n  chain forward {\n    type filter hook forward priority 0; policy drop;\n  }\n}\n';
    host.run('nft', ['-f', '-'], text);
    const rules = host.rules();
    const { vpc, guest } = await boot('10.50.0.0/16');
    expect(await guest.connects(host.outside, 7000)).toBe('silent');
    expect(withoutOurs(host.rules())).toBe(rules);
    await take({ vpc, guest });
    expect(host.rules()).toBe(rules);
  });

  test('br_netfilter, which a new namespace has switched on: bridges are no business of iptables', async () => {
    const { vpc, guest } = await boot('10.50.0.0/16');
    const values = execFileSync('nsenter', [
      `--net=${host.ground.router(vpc).file}`,
      'sh',
      '-c',
      'cat /proc/sys/net/bridge/bridge-nf-call-*tables 2>/dev/null || true',
    ]).toString();
    expect(values.replaceAll('\n', '')).toMatch(/^0*$/);
    await take({ vpc, guest });
  });

  /** The tables of ours, and the rules of ours in those of others, taken out of a listing. */
  function withoutOurs(rules: string): string {
    return rules
      .replaceAll(/^table inet bonami_bnv[0-9a-f]+ \{\n(?:\t.*\n|\n)*\}\n/gm, '')
      .split('\n')
      .filter((line) => !line.endsWith('comment "bonami"'))
      .join('\n');
  }
});

async function take({ vpc, guest }: { readonly vpc: VpcId; readonly guest: Guest }): Promise<void> {
  await guest.close();
  await removeVpcNetwork(world.ctx, vpc, { unless: () => false, before: async () => {} });
}

describe('addresses that the host uses itself', () => {
  const routes = (): string => host.run('ip', ['route', 'show']);
  const warnings = (): string => world.home.reported.warnings.join('\n');

  test('keep a VPC from having a route, which is said, and its machines are reached from inside', async () => {
    host.ip('route', 'add', '10.50.0.0/16', 'via', host.outside);
    const before50 = routes();
    const { vpc, guest } = await boot('10.50.0.0/16');
    expect(warnings()).toContain('this host uses addresses of 10.50.0.0/16 itself');
    expect(routes().replaceAll(/^(169\.254|203\.0\.113)\..*\n/gm, '')).toBe(before50);
    expect(isReachableFromHost(world.ctx, vpc)).toBe(false);
    expect(await tool(vpc, 'connect', guest.address, '22')).toMatch(/^open /);
    expect(await guest.connects(host.outside, 7000)).toBe(`open ${host.address}`);
  });

  test.each([
    ['all of them', '10.50.0.0/16', []],
    ['all of them by another metric', '10.50.0.0/16', ['metric', '50']],
    ['a part of them', '10.50.7.0/24', []],
    ['more than them', '10.48.0.0/13', []],
  ] as const)('that it begins to use later (%s) stay its own, until it has done', async (_, block, more) => {
    const { vpc, guest } = await boot('10.50.0.0/16');
    expect(await ways(guest)).toEqual(open());
    expect(warnings()).toBe('');
    const foreign = [block, 'via', host.outside, 'dev', host.link, ...more];
    host.ip('route', more.length > 0 || block !== '10.50.0.0/16' ? 'add' : 'prepend', ...foreign);
    await ensureVpcNetwork(world.ctx, vpc);
    expect(warnings()).toContain('10.50.0.0/16');
    expect(isReachableFromHost(world.ctx, vpc)).toBe(false);
    expect(routes()).toContain(`${block} via ${host.outside}`);
    expect(routes()).not.toMatch(/^10\.50\.0\.0\/16 .*dev bnv/m);
    expect(await guest.connects(host.outside, 7000)).toBe(`open ${host.address}`);
    expect(await tool(vpc, 'connect', guest.address, '22')).toMatch(/^open /);
    host.ip('route', 'del', ...foreign);
    await ensureVpcNetwork(world.ctx, vpc);
    expect(isReachableFromHost(world.ctx, vpc)).toBe(true);
    expect(await ways(guest)).toEqual(open());
  });

  test('send the default VPC elsewhere', () => {
    host.ip('addr', 'add', '172.31.40.7/20', 'dev', host.link);
    host.ip('route', 'add', '172.30.0.0/16', 'via', host.outside);
    const script = `
      import { testContext } from './test/support/context.ts';
      import { ensureDefaultVpc } from './src/ec2/vpcs/default-vpc.ts';
      import { subnets, vpcs } from './src/store/vpcs.ts';
      const home = testContext();
      await ensureDefaultVpc(home.ctx);
      const blocks = (table) => table.list(home.ctx.db).map(({ cidrBlock }) => cidrBlock);
      console.log(JSON.stringify([...blocks(vpcs), blocks(subnets).toSorted(), home.reported.info]));
      home.cleanup();`;
    const words = ['--import', 'tsx', '--input-type=module', '-e', script];
    const text = host.run('env', ['-C', ROOT, process.execPath, ...words]);
    expect(JSON.parse(text)).toEqual([
      '172.29.0.0/16',
      ['172.29.0.0/20', '172.29.16.0/20', '172.29.32.0/20'],
      [expect.stringContaining('172.29.0.0/16')],
    ]);
  });
});

describe('a host without IPv6', () => {
  test('by its settings has networks with both families', async () => {
    host.run('sysctl', ['-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1']);
    const vpc = await world.vpc('10.50.0.0/16', { ipv6: true, internet: true });
    const block = world.record(vpc).ipv6?.cidrBlock.replace('/56', '/64') ?? '';
    const subnet = await world.subnet(vpc, '10.50.1.0/24', block);
    const groups = [await world.openGroup(vpc)];
    const [one, two] = [`${block.split('/')[0]}10`, `${block.split('/')[0]}11`];
    const guest = await world.boot({ subnet, groups, ipv6: one });
    const other = await world.boot({ subnet, groups, ipv6: two });
    for (const each of [guest, other]) await each.configure6();
    await other.starts('serve', '22');
    await guest.starts('serve', '22');
    expect(await guest.connects(host.outside, 7000)).toBe(`open ${host.address}`);
    expect(await host.connects('host', guest.address, 22)).toMatch(/^open /);
    expect(await guest.connects(two, 22)).toBe(`open ${one}`);
    expect(world.home.reported.warnings).toEqual([]);
  });

  test('in its kernel has networks with IPv4, and says why it has no others', () => {
    const script = 'mount -t tmpfs hidden /proc/sys/net/ipv6 && exec "$@"';
    const child = [process.execPath, '--import', 'tsx', `${ROOT}/test/support/without-ipv6.ts`];
    const text = host.run('unshare', ['--mount', 'env', '-C', ROOT, 'sh', '-c', script, 'sh', ...child]);
    expect(JSON.parse(text)).toMatchObject({
      ipv4: { router: 'answered', names: { code: 0 } },
      ipv6: {
        name: 'HostError',
        message: expect.stringContaining('IPv6'),
        hint: expect.stringContaining('bonami'),
      },
    });
  });
});
