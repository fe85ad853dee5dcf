// What the private network costs: two guests within a VPC against the same two on a plain bridge without filtering;
// connections through many rules against none; changes of rules and whole VPCs.
import { execa } from 'execa';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { linkName } from '../../src/core/link-name.ts';
import type { NetworkInterfaceId, SecurityGroupId, SubnetId, VpcId } from '../../src/core/ids.ts';
import { authorizeSecurityGroupIngress } from '../../src/ec2/security-groups/authorize-security-group-ingress.ts';
import { revokeSecurityGroupIngress } from '../../src/ec2/security-groups/revoke-security-group-ingress.ts';
import { securityGroups } from '../../src/store/security-groups.ts';
import { transact } from '../../src/store/database.ts';
import { bridgeOf } from '../../src/ec2/vpcs/router-spec.ts';
import { applyVpcNetwork } from '../../src/ec2/vpcs/network.ts';
import { namedNamespace } from '../../src/host/link/namespace.ts';
import { openCloud, type Cloud } from '../../test/support/cloud.ts';
import { Guest } from '../../test/support/guest.ts';
import { World } from '../../test/support/world.ts';
import { alternate, compared, median, ROUNDS, time, type Row } from './measure.ts';

export interface NetworkWork {
  readonly rows: Row[];
}

const MIB = 64;
const PINGS = 100;

/** Throughput and round trip between two machines of one subnet. */
export async function path({ rows }: NetworkWork): Promise<void> {
  const cloud = await openCloud('tiny');
  try {
    const [one, two] = await cloud.run('tiny', '-c', '2', '-n', 'pair', '-t', 't3.nano', '--wait', 'ssh');
    const [client, server, address] = [
      one?.InstanceId ?? '',
      two?.InstanceId ?? '',
      two?.PrivateIpAddress ?? '',
    ];
    // Takes everything, and says how much it was.
    await cloud.inGuest(
      server,
      "printf '#!/bin/sh\\nexec wc -c\\n' >/tmp/sink; chmod +x /tmp/sink; nc -ll -p 9001 -e /tmp/sink >/dev/null 2>&1 &",
    );
    const subnet = (await cloud.instance(client))?.SubnetId as SubnetId;
    const taps = [one, two].map((each) =>
      linkName('eni', each?.NetworkInterfaces?.[0]?.NetworkInterfaceId as NetworkInterfaceId),
    );
    const plain = plainBridge(cloud, (await cloud.instance(client))?.VpcId as VpcId, bridgeOf(subnet), taps);
    const measured: Record<string, number[]> = { through: [], pings: [], plainThrough: [], plainPings: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      measured['through']?.push(await throughput(cloud, client, address));
      measured['pings']?.push(await roundTrip(cloud, client, address));
      await plain.on();
      for (const id of [client, server]) await cloud.inGuest(id, 'ip neigh flush dev eth0');
      measured['plainThrough']?.push(await throughput(cloud, client, address));
      measured['plainPings']?.push(await roundTrip(cloud, client, address));
      await plain.off();
      for (const id of [client, server]) await cloud.inGuest(id, 'ip neigh flush dev eth0');
    }
    const { through = [], pings = [], plainThrough = [], plainPings = [] } = measured;
    rows.push(
      compared(through, plainThrough, {
        what: `TCP between two instances, ${MIB} MiB`,
        against: 'the same two on a plain bridge',
        aim: '<= 1.11',
      }),
      compared(pings, plainPings, {
        what: `round trip between two instances, mean of ${PINGS}, in µs`,
        against: 'the same two on a plain bridge',
        aim: '<= 1.11',
      }),
    );
  } finally {
    await cloud.close();
  }
}

/** Milliseconds for so many MiB, by the guest's own clock. */
async function throughput(cloud: Cloud, client: string, address: string): Promise<number> {
  const command = [
    'begin=$(cut -d " " -f 1 /proc/uptime)',
    `taken=$(dd if=/dev/zero bs=64k count=${MIB * 16} 2>/dev/null | nc ${address} 9001)`,
    'end=$(cut -d " " -f 1 /proc/uptime)',
    'awk "BEGIN { print ($end - $begin) * 1000 }"; echo $taken',
  ].join('; ');
  const [took, bytes] = (await cloud.inGuest(client, command)).split('\n').map(Number);
  if (bytes !== MIB * 2 ** 20 || took === undefined) throw new Error(`only ${bytes} bytes arrived`);
  return took;
}

/** Mean microseconds. */
async function roundTrip(cloud: Cloud, client: string, address: string): Promise<number> {
  const said = await cloud.inGuest(client, `ping -q -c ${PINGS} -i 0.02 ${address}`);
  const [, mean = ''] = /= [\d.]+\/([\d.]+)\//.exec(said) ?? [];
  return Number(mean) * 1000;
}

interface Switch {
  readonly on: () => Promise<void>;
  readonly off: () => Promise<void>;
}

/** Makes an ordinary bridge of a subnet's: ports that speak with each other, and no rules. The agent is held meanwhile. */
function plainBridge(cloud: Cloud, vpcId: VpcId, bridge: string, taps: readonly string[]): Switch {
  const { file } = namedNamespace(vpcId);
  const inside = async (...words: string[]): Promise<unknown> =>
    execa('nsenter', [`--net=${file}`, ...words]);
  return {
    on: async () => {
      process.kill(agentOf(cloud), 'SIGSTOP');
      await inside('nft', 'flush', 'ruleset');
      await inside('sysctl', '-qw', `net.ipv4.conf.${bridge}.proxy_arp_pvlan=0`);
      for (const tap of taps)
        await inside('bridge', 'link', 'set', 'dev', tap, 'isolated', 'off', 'learning', 'on', 'flood', 'on');
    },
    off: async () => {
      process.kill(agentOf(cloud), 'SIGCONT');
      await cloud.bonami('doctor', '--fix');
    },
  };
}

function agentOf({ home }: Cloud): number {
  const found = readdirSync('/proc').find((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return (
        readFileSync(join('/proc', pid, 'cmdline'), 'utf8').includes('agent.js') &&
        readFileSync(join('/proc', pid, 'environ'), 'utf8').includes(`BONAMI_HOME=${home}\0`)
      );
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error('no agent runs');
  return Number(found);
}

const RULES = 1000;
const MEMBERS = 50;
const CONNECTIONS = 3000;

/** Connections through a group with many rules and members, against no rules at all; and how long a change takes. */
export async function rules({ rows }: NetworkWork): Promise<void> {
  const world = new World();
  const guests: Guest[] = [];
  try {
    const vpc = await world.vpc('10.90.0.0/16');
    const subnet = await world.subnet(vpc, '10.90.1.0/24');
    const many = await world.openGroup(vpc, 'many');
    for (let index = 0; index < MEMBERS; index += 1)
      guests.push(await Guest.plug(world.ctx, { subnet, groups: [many] }));
    rows.push(await changing(world, many, `a rule more to few, for ${MEMBERS} running interfaces`));
    const [client, server] = guests;
    if (client === undefined || server === undefined) throw new Error('no guests');
    // Links of the kernel's own in place of the cables, which are slower than what is measured.
    for (const guest of [client, server]) await guest.cableByVeth();
    await applyVpcNetwork(world.ctx, vpc);
    for (const guest of [client, server]) await guest.configure();
    const service = await server.starts('accept', '7000');
    const { file } = namedNamespace(vpc);
    const open = securityGroups.get(world.ctx.db, many);
    await fill(world, many);
    const full = securityGroups.get(world.ctx.db, many);
    const having = (group: typeof open) => async (): Promise<void> => {
      if (group) transact(world.ctx.db, () => securityGroups.update(world.ctx.db, group));
      await applyVpcNetwork(world.ctx, vpc);
    };
    const taken = await alternate('connections', {
      few: {
        before: having(open),
        work: async () => client.does('connect-often', server.address, '7000', String(CONNECTIONS)),
        after: having(full),
      },
      rules: { work: async () => client.does('connect-often', server.address, '7000', String(CONNECTIONS)) },
      none: {
        before: async () => execa('nsenter', [`--net=${file}`, 'nft', 'flush', 'ruleset']),
        work: async () => client.does('connect-often', server.address, '7000', String(CONNECTIONS)),
        after: async () => applyVpcNetwork(world.ctx, vpc),
      },
    });
    await service.close();
    rows.push(
      compared(taken.rules, taken.few, {
        what: `${CONNECTIONS} connections through ${RULES} rules and ${MEMBERS} members`,
        against: 'a group that is open',
        aim: '<= 1.11',
      }),
      compared(taken.few, taken.none, {
        what: `${CONNECTIONS} connections through a group that is open`,
        against: 'no firewall, no tracking',
      }),
    );
    rows.push(await changing(world, many, `a rule more to ${RULES}, for ${MEMBERS} running interfaces`));
  } finally {
    for (const guest of guests) await guest.close();
    await world.close();
  }
}

function permission(
  CidrIp: string,
  port: number,
): {
  readonly IpProtocol: 'tcp';
  readonly FromPort: number;
  readonly ToPort: number;
  readonly IpRanges: { readonly CidrIp: string }[];
} {
  return { IpProtocol: 'tcp', FromPort: port, ToPort: port, IpRanges: [{ CidrIp }] };
}

/** How long until another rule is in force. */
async function changing(world: World, GroupId: SecurityGroupId, what: string): Promise<Row> {
  const rules = Array.from({ length: 10 }, (_, round) => permission(`192.0.2.${round}/32`, 9000 + round));
  const samples: number[] = [];
  for (const rule of rules)
    samples.push(
      await time(async () => authorizeSecurityGroupIngress(world.ctx, { GroupId, IpPermissions: [rule] })),
    );
  await revokeSecurityGroupIngress(world.ctx, { GroupId, IpPermissions: rules });
  return { what, measured: 'ms', bonami: median(samples), aim: '< 100', samples };
}

/** Rules that all differ, in blocks and ports; the last one is what the connections need. */
async function fill(world: World, GroupId: SecurityGroupId): Promise<void> {
  await revokeSecurityGroupIngress(world.ctx, {
    GroupId,
    IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
  });
  const all = Array.from({ length: RULES - 12 }, (_, index) =>
    permission(`10.${91 + (index % 90)}.${index % 250}.0/24`, 1024 + index),
  );
  await authorizeSecurityGroupIngress(world.ctx, {
    GroupId,
    IpPermissions: [...all, permission('10.90.0.0/16', 7000)],
  });
}

const VPCS = 10;

/** A VPC from nothing to gone, by the command. */
export async function vpc({ rows }: NetworkWork): Promise<void> {
  const cloud = await openCloud();
  try {
    const [create, remove]: [number[], number[]] = [[], []];
    for (let round = 0; round < VPCS; round += 1) {
      create.push(
        await time(async () => cloud.bonami('vpc', 'create', '10.91.0.0/16', '-n', `bench-${round}`)),
      );
      remove.push(await time(async () => cloud.bonami('vpc', 'rm', `bench-${round}`)));
      await sleep(50);
    }
    for (const [what, samples] of [
      ['vpc create', create],
      ['vpc rm', remove],
    ] as const)
      rows.push({ what, measured: 'ms', bonami: median(samples), aim: '< 300', samples });
  } finally {
    await cloud.close();
  }
}
