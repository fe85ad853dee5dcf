import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { routerChanges, type RouterChanges } from '../../../../src/host/link/router-changes.ts';
import type { Hop, Router, SegmentRoute } from '../../../../src/host/link/router.ts';
import { generator } from '../../../support/random.ts';
import { FakeIp } from './fake-ip.ts';
import {
  APPLIANCE,
  BACK,
  CROSSING,
  FRONT,
  front,
  full,
  small,
  WEB,
  web,
  withPort,
  withSegment,
} from './sample-routers.ts';

const GOLDEN = join(import.meta.dirname, '../../../fixtures/golden');
const OTHER_CROSSING = 'pcx222222222222';
const [FRONT_TABLE, BACK_TABLE] = ['268435457', '268435458'];

/** A kernel in which this router stands, its machines running. */
function standing(router: Router): FakeIp {
  const kernel = joined(new FakeIp(), router);
  kernel.apply(routerChanges(router, kernel.state()));
  for (const { tap } of router.ports) kernel.hold(tap);
  return kernel;
}

function joined(kernel: FakeIp, { crossings }: Router): FakeIp {
  for (const { link } of crossings) kernel.join(link);
  return kernel;
}

/** What is to be done, a line each. */
function linesOf({ links, addresses, addresses6, neighbours, up }: RouterChanges): readonly string[] {
  return [...links, ...addresses, ...neighbours, ...addresses6.map((line) => `-6 ${line}`), ...up];
}

function changesOf(router: Router, kernel: FakeIp): readonly string[] {
  return linesOf(routerChanges(router, kernel.state()));
}

/** The lines that lead to the router, and the proof that they do, at once. */
function settled(router: Router, kernel: FakeIp): readonly string[] {
  const changes = routerChanges(router, kernel.state());
  joined(kernel, router).apply(changes);
  expect(changesOf(router, kernel)).toEqual([]);
  return linesOf(changes);
}

describe('from nothing', () => {
  // A changed line is a decision: look at the difference, then run with BONAMI_GOLDEN=write.
  test.each([
    ['small', small],
    ['full', full],
  ])('a %s router is made as agreed', (name, router) => {
    const { forwarding, isNew, downTaps, ...lines } = routerChanges(
      router,
      joined(new FakeIp(), router).state(),
    );
    const text = Object.entries({ ...lines, forwarding })
      .map(([part, each]) => `# ${part}\n${each.map((line) => `${line}\n`).join('')}`)
      .join('');
    const file = join(GOLDEN, `router-${name}.txt`);
    if (process.env['BONAMI_GOLDEN'] === 'write') writeFileSync(file, text);
    expect(existsSync(file)).toBe(true);
    expect(text).toBe(readFileSync(file, 'utf8'));
    expect(isNew).toBe(true);
    expect(downTaps).toEqual(router.ports.map(({ tap }) => tap));
  });

  test.each([
    ['small', small],
    ['full', full],
    ['empty', { ...small, segments: [], ports: [] }],
  ])('a %s router is whole at once, and stays untouched', (_, router) => {
    const kernel = joined(new FakeIp(), router);
    settled(router, kernel);
    expect(routerChanges(router, kernel.state())).toEqual({
      isNew: false,
      links: [],
      downTaps: [],
      addresses: [],
      addresses6: [],
      neighbours: [],
      up: [],
      forwarding: router.ports.map(({ mac, tap }) => `${mac} dev ${tap}`),
    });
  });

  test('a tap is made for its user, and comes up only when the firewall is in force', () => {
    const { links, up } = routerChanges(full, joined(new FakeIp(), full).state());
    expect(links).toContain(`tuntap add dev ${WEB} mode tap user 70001`);
    expect(links).toContain(`tuntap add dev ${APPLIANCE} mode tap user 70002 multi_queue`);
    expect(links.filter((line) => line.endsWith(' up'))).toEqual(['link set lo up']);
    expect(up).toEqual([`link set ${WEB} up`, `link set ${APPLIANCE} up`]);
  });

  test('a namespace without an uplink cannot become a router: the uplink is first', () => {
    const kernel = new FakeIp({ isEmpty: true });
    expect(() => kernel.apply(routerChanges(small, kernel.state()))).toThrow('there is no up0');
  });
});

describe('what has drifted is mended, and nothing else is touched:', () => {
  test.each<[string, (kernel: FakeIp) => unknown, readonly string[]]>([
    [
      'a service address is gone',
      (kernel) => kernel.run('addr del 169.254.169.254/32 dev lo'),
      ['addr add 169.254.169.254/32 dev lo'],
    ],
    [
      "a bridge's MAC is another",
      (kernel) => kernel.change(FRONT, { mac: '02:00:00:00:00:99' }),
      [`link set ${FRONT} address 02:ff:11:11:11:11 mtu 9001`],
    ],
    [
      "a bridge's MTU is another",
      (kernel) => kernel.change(FRONT, { mtu: 1500 }),
      [`link set ${FRONT} address 02:ff:11:11:11:11 mtu 9001`],
    ],
    [
      "a bridge's address is gone, and with it what was routed to it",
      (kernel) => kernel.run(`addr del 10.0.2.1/24 dev ${BACK}`),
      [
        `addr add 10.0.2.1/24 dev ${BACK}`,
        `route add 192.168.0.0/24 via 10.0.2.10 dev ${BACK} table ${FRONT_TABLE}`,
        `neigh replace 10.0.2.10 lladdr 02:00:00:00:00:02 dev ${BACK} nud permanent`,
      ],
    ],
    [
      'a bridge has an address of somebody else',
      (kernel) => kernel.run(`addr add 10.0.9.1/24 dev ${FRONT}`, `addr add fd00:9::1/64 dev ${FRONT}`),
      [`addr del 10.0.9.1/24 dev ${FRONT}`, `addr del fd00:9::1/64 dev ${FRONT}`],
    ],
    [
      "the route to a bridge's own subnet is gone: routes to its machines stay",
      (kernel) => kernel.run(`route del 10.0.2.0/24 dev ${BACK} proto kernel`),
      [`route append 10.0.2.0/24 dev ${BACK} proto kernel scope link src 10.0.2.1`],
    ],
    [
      'somebody has taken the place of that route',
      (kernel) =>
        kernel.run(
          `route del 10.0.2.0/24 dev ${BACK} proto kernel`,
          'route add 10.0.2.0/24 dev up0 table main',
        ),
      [
        `route append 10.0.2.0/24 dev ${BACK} proto kernel scope link src 10.0.2.1`,
        'route del 10.0.2.0/24 table main',
      ],
    ],
    [
      'a tap is no port any more',
      (kernel) => kernel.change(WEB, { master: undefined, isIsolated: false }),
      [
        `link set ${WEB} master ${FRONT}`,
        `link set ${WEB} type bridge_slave isolated on learning off flood off mcast_flood on`,
      ],
    ],
    [
      'a tap is a port of the wrong bridge',
      (kernel) => kernel.change(WEB, { master: BACK }),
      [
        `link set ${WEB} master ${FRONT}`,
        `link set ${WEB} type bridge_slave isolated on learning off flood off mcast_flood on`,
      ],
    ],
    [
      'a tap is not isolated',
      (kernel) => kernel.change(WEB, { isIsolated: false }),
      [
        `link set ${WEB} master ${FRONT}`,
        `link set ${WEB} type bridge_slave isolated on learning off flood off mcast_flood on`,
      ],
    ],
    ['a tap is down', (kernel) => kernel.run(`link set ${WEB} down`), [`link set ${WEB} up`]],
    [
      'a route is gone',
      (kernel) => kernel.run(`route del 0.0.0.0/0 table ${FRONT_TABLE}`),
      [`route add 0.0.0.0/0 via 169.254.96.1 dev up0 table ${FRONT_TABLE}`],
    ],
    [
      'a route leads elsewhere',
      (kernel) =>
        kernel.run(
          `route del 192.168.0.0/24 table ${FRONT_TABLE}`,
          `route add 192.168.0.0/24 via 10.0.1.10 dev ${FRONT} table ${FRONT_TABLE}`,
        ),
      [
        `route del 192.168.0.0/24 table ${FRONT_TABLE}`,
        `route add 192.168.0.0/24 via 10.0.2.10 dev ${BACK} table ${FRONT_TABLE}`,
      ],
    ],
    [
      'a route is of another type',
      (kernel) =>
        kernel.run(
          `route del blackhole 0.0.0.0/0 table ${BACK_TABLE}`,
          `route add unreachable 0.0.0.0/0 table ${BACK_TABLE}`,
        ),
      [
        `route del unreachable 0.0.0.0/0 table ${BACK_TABLE}`,
        `route add blackhole 0.0.0.0/0 table ${BACK_TABLE}`,
      ],
    ],
    [
      'routes have been added, in a table of ours and in the main one',
      (kernel) =>
        kernel.run(
          `route add 203.0.113.0/24 via 169.254.96.1 dev up0 table ${BACK_TABLE}`,
          'route add throw 203.0.113.0/24 table main',
        ),
      [`route del 203.0.113.0/24 table ${BACK_TABLE}`, 'route del throw 203.0.113.0/24 table main'],
    ],
    [
      'an IPv6 route is gone, and another has been added',
      (kernel) =>
        kernel.run(
          `route del blackhole fd98::/64 table ${FRONT_TABLE}`,
          `route add blackhole fd97::/64 table ${FRONT_TABLE}`,
        ),
      [
        `-6 route del blackhole fd97::/64 table ${FRONT_TABLE}`,
        `-6 route add blackhole fd98::/64 table ${FRONT_TABLE}`,
      ],
    ],
    [
      'a rule is gone',
      (kernel) => kernel.run(`rule del pref 100 iif ${FRONT} lookup ${FRONT_TABLE}`),
      [`rule add pref 100 iif ${FRONT} lookup ${FRONT_TABLE}`],
    ],
    [
      'a rule of ours leads to another table',
      (kernel) => kernel.run(`rule add pref 100 iif ${FRONT} lookup ${BACK_TABLE}`),
      [`rule del pref 100 iif ${FRONT} lookup ${BACK_TABLE}`],
    ],
    [
      'a neighbour is gone',
      (kernel) => kernel.run(`neigh del 10.0.1.10 dev ${FRONT}`),
      [`neigh replace 10.0.1.10 lladdr 02:00:00:00:00:01 dev ${FRONT} nud permanent`],
    ],
    [
      "a neighbour has somebody else's MAC",
      (kernel) => kernel.run(`neigh replace 10.0.1.10 lladdr 02:00:00:00:00:99 dev ${FRONT} nud permanent`),
      [`neigh replace 10.0.1.10 lladdr 02:00:00:00:00:01 dev ${FRONT} nud permanent`],
    ],
    [
      'a neighbour was asked instead of known',
      (kernel) => kernel.run(`neigh replace 10.0.1.10 lladdr 02:00:00:00:00:01 dev ${FRONT} nud reachable`),
      [`neigh replace 10.0.1.10 lladdr 02:00:00:00:00:01 dev ${FRONT} nud permanent`],
    ],
    [
      'there is a permanent neighbour that no machine is',
      (kernel) => kernel.run(`neigh replace 10.0.1.99 lladdr 02:00:00:00:00:99 dev ${FRONT} nud permanent`),
      [`neigh del 10.0.1.99 dev ${FRONT}`],
    ],
    [
      'the uplink was down for a moment',
      (kernel) => kernel.run('link set up0 down', 'link set up0 up'),
      [
        'route add 0.0.0.0/0 via 169.254.96.1 dev up0 table main',
        `route add 0.0.0.0/0 via 169.254.96.1 dev up0 table ${FRONT_TABLE}`,
      ],
    ],
    [
      'a crossing is down',
      (kernel) => kernel.run(`link set ${CROSSING} down`),
      [
        `link set ${CROSSING} up`,
        `route add 10.1.0.0/16 via 169.254.80.1 dev ${CROSSING} onlink table ${FRONT_TABLE}`,
        `neigh replace 169.254.80.1 lladdr 02:fe:11:11:11:02 dev ${CROSSING} nud permanent`,
        `neigh replace fe80::1 lladdr 02:fe:11:11:11:02 dev ${CROSSING} nud permanent`,
        `-6 route add fd00:1:2:400::/56 via fe80::1 dev ${CROSSING} onlink table ${FRONT_TABLE}`,
      ],
    ],
  ])('%s', (_what, drift, lines) => {
    const kernel = standing(full);
    drift(kernel);
    expect(settled(full, kernel)).toEqual(lines);
  });

  test('a bridge is down: all that went with it comes back', () => {
    const kernel = standing(full).run(`link set ${BACK} down`);
    const lines = settled(full, kernel);
    expect(lines).toContain(`link set ${BACK} up`);
    expect(lines.filter((line) => line.includes(FRONT) || line.includes(WEB))).toEqual([]);
  });

  test('a bridge is gone: its machines keep their taps', () => {
    const kernel = standing(full).run(`link del ${BACK}`);
    const lines = settled(full, kernel);
    expect(lines).toContain(`link set ${APPLIANCE} master ${BACK}`);
    expect(lines.filter((line) => /tuntap|link del/.test(line))).toEqual([]);
    expect(lines.filter((line) => line.includes(FRONT) || line.includes(WEB))).toEqual([]);
  });

  test('the rules of both families are gone', () => {
    const kernel = standing(full);
    for (const { family, priority, input, table } of kernel.state().rules)
      if (family === 4) kernel.run(`rule del pref ${priority} iif ${input} lookup ${table}`);
    expect(settled(full, kernel)).toEqual([
      'rule add pref 90 iif up0 lookup 900',
      `rule add pref 90 iif ${CROSSING} lookup 900`,
      `rule add pref 100 iif ${FRONT} lookup ${FRONT_TABLE}`,
      `rule add pref 100 iif ${BACK} lookup ${BACK_TABLE}`,
    ]);
  });

  test('loopback is down: the namespace is set up anew', () => {
    const kernel = standing(full).run('link set lo down');
    expect(routerChanges(full, kernel.state()).isNew).toBe(true);
    expect(settled(full, kernel)).toEqual(['link set lo up']);
  });

  test('a learned neighbour that is none of ours comes and goes by itself', () => {
    const kernel = standing(full).run(
      `neigh replace 10.0.1.99 lladdr 02:00:00:00:00:99 dev ${FRONT} nud reachable`,
      'neigh replace 169.254.96.1 lladdr 02:00:00:00:00:98 dev up0 nud reachable',
    );
    expect(changesOf(full, kernel)).toEqual([]);
  });

  test('rules of others stay', () => {
    const kernel = standing(full).run('rule add pref 50 iif up0 lookup main');
    expect(changesOf(full, kernel)).toEqual([]);
  });
});

describe('a tap', () => {
  const queues = withPort(small, { queues: 4 });

  test('that is gone is made anew', () => {
    const kernel = standing(small).run(`link del ${WEB}`);
    expect(settled(small, kernel)).toEqual([
      `tuntap add dev ${WEB} mode tap user 70001`,
      `link set ${WEB} mtu 9001`,
      `link set ${WEB} master ${FRONT}`,
      `link set ${WEB} type bridge_slave isolated on learning off flood off mcast_flood off`,
      `link set ${WEB} up`,
    ]);
  });

  test.each([
    [queues, small],
    [small, queues],
  ])('that nobody holds is made anew when the number of queues changes', (before, after) => {
    const kernel = standing(before).hold(WEB, false);
    expect(routerChanges(after, kernel.state()).downTaps).toEqual([WEB]);
    expect(settled(after, kernel)[0]).toBe(`link del ${WEB}`);
    expect(kernel.state().links.get(WEB)?.isMultiqueue).toBe(after === queues);
  });

  test.each([
    ['another number of queues', (kernel: FakeIp) => kernel.change(WEB, { isMultiqueue: true })],
    ['no bridge', (kernel: FakeIp) => kernel.run(`link del ${FRONT}`)],
    ['no isolation', (kernel: FakeIp) => kernel.change(WEB, { isIsolated: false })],
    ['no way up', (kernel: FakeIp) => kernel.run(`link set ${WEB} down`)],
    ['another MTU', (kernel: FakeIp) => kernel.change(WEB, { mtu: 1500 })],
  ])('that a machine holds is never made anew, with %s', (_, drift) => {
    const kernel = standing(small);
    drift(kernel);
    const lines = settled(small, kernel);
    expect(lines.filter((line) => /tuntap|link del/.test(line))).toEqual([]);
    expect(routerChanges(small, kernel.state()).downTaps).toEqual([]);
  });

  test('moves to another bridge with its machine', () => {
    const kernel = standing(full);
    const moved = withPort(full, { bridge: BACK, addresses: ['10.0.2.20'] });
    const lines = settled(moved, kernel);
    expect(lines).toContain(`link set ${WEB} master ${BACK}`);
    expect(lines).toContain(`neigh del 10.0.1.10 dev ${FRONT}`);
    expect(kernel.state().links.get(WEB)).toMatchObject({ master: BACK, isIsolated: true });
  });

  test('lets IPv6 ask its machine only where that has IPv6', () => {
    const flooding = (router: Router): readonly string[] =>
      changesOf(router, new FakeIp())
        .filter((line) => line.includes('bridge_slave'))
        .map((line) => line.split(' ').at(-1) ?? '');
    expect(flooding(small)).toEqual(['off']);
    expect(flooding({ ...full, crossings: [] })).toEqual(['on', 'on']);
  });
});

describe('links that nothing wants', () => {
  test('go with all that led through them', () => {
    const kernel = standing(full);
    const lines = settled(small, kernel);
    expect(lines.filter((line) => line.startsWith('link del')).toSorted()).toEqual(
      [`link del ${BACK}`, `link del ${CROSSING}`, `link del ${APPLIANCE}`].toSorted(),
    );
    expect([...kernel.state().links.keys()].toSorted()).toEqual([WEB, FRONT, 'lo', 'up0'].toSorted());
    expect(kernel.state().neighbours.map(({ address }) => address)).toEqual(['10.0.1.10']);
  });

  test.each(['eth0', 'sntlonger', 'snt11111111111g', 'eni', 'xpcx1111111111', 'wg0'])(
    'but have the name %s are not ours',
    (name) => {
      const kernel = standing(small).join(name);
      expect(changesOf(small, kernel)).toEqual([]);
    },
  );

  test('take no route of theirs a second time', () => {
    const kernel = standing(full);
    const lines = changesOf({ ...full, crossings: [], segments: full.segments.slice(0, 1) }, kernel);
    expect(lines.filter((line) => /^(?:-6 )?route del/.test(line) && line.includes(CROSSING))).toEqual([]);
    expect(lines.filter((line) => line.startsWith('neigh del'))).toEqual([]);
  });
});

describe('IPv6', () => {
  const dual: Router = { ...full, crossings: [], segments: full.segments.map(withoutCrossings) };
  const single: Router = {
    ...dual,
    blocks: ['10.0.0.0/16'],
    segments: dual.segments.map(({ gateways, routes, ...segment }) => ({
      ...segment,
      gateways: gateways.filter((address) => !address.includes(':')),
      routes: routes.filter(({ destination }) => !destination.includes(':')),
    })),
    ports: dual.ports.map(({ addresses, ...port }) => ({
      ...port,
      addresses: addresses.filter((address) => !address.includes(':')),
    })),
  };
  const six = (lines: readonly string[]): readonly string[] => lines.filter((line) => /:.*:/.test(line));

  test('is nowhere without a block of it', () => {
    const { addresses6, addresses } = routerChanges(single, new FakeIp().state());
    expect(addresses6).toEqual([]);
    expect(addresses.filter((line) => line.includes('::'))).toEqual([]);
  });

  test('comes without touching anything of IPv4', () => {
    const kernel = standing(single);
    const lines = settled(dual, kernel);
    expect(lines).toContain(`addr add fd00:1:2:301::1/64 dev ${FRONT} nodad`);
    expect(lines).toContain('-6 rule add pref 90 iif up0 lookup 900');
    expect(lines).toContain(`-6 route add blackhole ::/0 table ${BACK_TABLE}`);
    expect(lines.filter((line) => !line.startsWith('-6 ') && six([line]).length === 0)).toEqual([]);
  });

  test('goes with its addresses, routes, rules and neighbours', () => {
    const kernel = standing(dual);
    settled(single, kernel);
    const { routes, rules, neighbours, links } = kernel.state();
    expect([...routes, ...rules].filter(({ family }) => family === 6)).toEqual([]);
    expect(six(neighbours.map(({ address }) => address))).toEqual([]);
    expect(six([...links.values()].flatMap(({ addresses }) => addresses))).toEqual([]);
  });

  test('never leaves by the uplink, which has none', () => {
    const lines = changesOf(dual, new FakeIp());
    expect(lines).toContain(`-6 route add blackhole ::/0 table ${FRONT_TABLE}`);
    expect(lines.filter((line) => /^-6 .*up0 table/.test(line))).toEqual([]);
  });

  test("names the machine's link-local address too, for its leases", () => {
    const odd = withPort(dual, { mac: '02:ab:cd:ef:01:23' });
    expect(changesOf(odd, new FakeIp())).toContain(
      `neigh replace fe80::ab:cdff:feef:123 lladdr 02:ab:cd:ef:01:23 dev ${FRONT} nud permanent`,
    );
  });
});

function withoutCrossings<T extends { readonly routes: readonly SegmentRoute[] }>(segment: T): T {
  return { ...segment, routes: segment.routes.filter(({ hop }) => hop.kind !== 'crossing') };
}

describe('crossings', () => {
  test('come and go with their routes, and nobody else notices', () => {
    const without = { ...full, crossings: [], segments: full.segments.map(withoutCrossings) };
    const kernel = standing(without).join(CROSSING);
    const coming = settled(full, kernel);
    expect(coming).toContain(`link set ${CROSSING} up`);
    expect(coming.filter((line) => !line.includes('pcx') && !line.includes('metric 4096'))).toEqual([]);
    const going = settled(without, kernel);
    expect(going.filter((line) => !line.includes('metric 4096'))).toEqual([
      `link del ${CROSSING}`,
      `rule del pref 90 iif ${CROSSING} lookup 900`,
      `-6 rule del pref 90 iif ${CROSSING} lookup 900`,
    ]);
  });

  test('of which there are two share the name of the other end, each on its own link', () => {
    const two: Router = {
      ...full,
      crossings: [...full.crossings, { link: OTHER_CROSSING, peerMac: '02:fe:22:22:22:01' }],
    };
    const lines = settled(two, joined(new FakeIp(), two));
    expect(lines.filter((line) => line.startsWith('neigh replace 169.254.80.1 '))).toEqual([
      `neigh replace 169.254.80.1 lladdr 02:fe:11:11:11:02 dev ${CROSSING} nud permanent`,
      `neigh replace 169.254.80.1 lladdr 02:fe:22:22:22:01 dev ${OTHER_CROSSING} nud permanent`,
    ]);
  });
});

describe('a route', () => {
  const hops: Readonly<Record<Hop['kind'], Hop>> = {
    uplink: { kind: 'uplink' },
    nowhere: { kind: 'nowhere' },
    machine: { kind: 'machine', bridge: BACK, address: '10.0.2.10' },
    crossing: { kind: 'crossing', link: CROSSING },
  };
  const ways: Readonly<Record<Hop['kind'], string>> = {
    uplink: 'route add 203.0.113.0/24 via 169.254.96.1 dev up0',
    nowhere: 'route add blackhole 203.0.113.0/24',
    machine: `route add 203.0.113.0/24 via 10.0.2.10 dev ${BACK}`,
    crossing: `route add 203.0.113.0/24 via 169.254.80.1 dev ${CROSSING} onlink`,
  };
  const kinds = Object.keys(hops) as Hop['kind'][];
  const leading = (hop: Hop): Router =>
    withSegment(full, { routes: [{ destination: '203.0.113.0/24', hop }] }, 1);

  test.each(kinds)('of the kind %s replaces each other one, and is replaced', (kind) => {
    for (const before of kinds.filter((each) => each !== kind)) {
      const kernel = standing(leading(hops[before]));
      // What stands behind a route that goes with its link comes and goes with the route.
      const behind = `blackhole 203.0.113.0/24 metric 4096 table ${BACK_TABLE}`;
      const [had, has] = [before, kind].map((each) => each === 'machine' || each === 'crossing');
      expect(settled(leading(hops[kind]), kernel)).toEqual([
        ...(had && !has ? [`route del ${behind}`] : []),
        `route del ${before === 'nowhere' ? 'blackhole ' : ''}203.0.113.0/24 table ${BACK_TABLE}`,
        `${ways[kind]} table ${BACK_TABLE}`,
        ...(has && !had ? [`route add ${behind}`] : []),
      ]);
    }
  });

  test("of one's own to everything is instead of the one that leads nowhere", () => {
    const kernel = standing(full);
    const open = withSegment(full, { routes: [{ destination: '0.0.0.0/0', hop: hops.uplink }] }, 1);
    expect(settled(open, kernel)).toEqual([
      `route del blackhole 0.0.0.0/0 table ${BACK_TABLE}`,
      `route add 0.0.0.0/0 via 169.254.96.1 dev up0 table ${BACK_TABLE}`,
    ]);
  });

  test('to the host follows it when its end of the uplink is another', () => {
    const kernel = standing(small).run(
      'addr del 169.254.96.2/30 dev up0',
      'addr add 169.254.96.6/30 dev up0',
    );
    expect(settled({ ...small, hostAddress: '169.254.96.5' }, kernel)).toEqual([
      'route add 0.0.0.0/0 via 169.254.96.5 dev up0 table main',
      `route add 0.0.0.0/0 via 169.254.96.5 dev up0 table ${FRONT_TABLE}`,
    ]);
  });

  test.each(['169.254.0.0/16', '169.254.96.0/20', '169.254.169.254/32', '10.0.0.0/16'])(
    'to %s changes nothing: that stays in the router',
    (destination) => {
      const routes = [{ destination, hop: hops.uplink }];
      const kernel = standing(withSegment(small, { routes: [] }));
      expect(settled(withSegment(small, { routes }), kernel)).toEqual([]);
    },
  );

  test('follows its segment to another table', () => {
    const kernel = standing(small);
    const lines = settled(withSegment(small, { table: 77 }), kernel);
    expect(lines).toContain(`route del 0.0.0.0/0 table ${FRONT_TABLE}`);
    expect(lines).toContain('route add 0.0.0.0/0 via 169.254.96.1 dev up0 table 77');
    expect(lines).toContain(`rule del pref 100 iif ${FRONT} lookup ${FRONT_TABLE}`);
  });
});

/** A router with some of everything. */
function someRouter(random: () => number): Router {
  const chance = (part: number): boolean => random() < part;
  const dual = chance(0.5);
  const crossings = [
    { link: CROSSING, peerMac: '02:fe:11:11:11:02' },
    { link: OTHER_CROSSING, peerMac: '02:fe:22:22:22:01' },
  ].filter(() => chance(0.5));
  const numbers = [1, 2, 3].filter(() => chance(0.7));
  const bridge = (number: number): string => `snt${String(number).repeat(12)}`;
  const machine = (number: number, six: boolean): string =>
    six ? `fd00:1:2:30${number}::10` : `10.0.${number}.10`;
  const ports = numbers
    .filter(() => chance(0.7))
    .map((number) => ({
      ...web,
      tap: `eni${String(number).repeat(12)}`,
      bridge: bridge(number),
      mac: `02:00:00:00:0${Math.floor(random() * 2)}:0${number}`,
      addresses: [machine(number, false), ...(dual && chance(0.7) ? [machine(number, true)] : [])],
      queues: chance(0.3) ? 4 : 1,
    }));
  const hop = (six: boolean): Hop => {
    const [crossing] = crossings;
    const [port] = ports.filter(({ addresses }) => addresses.some((each) => each.includes(':') === six));
    if (chance(0.3)) return { kind: 'uplink' };
    if (chance(0.4) && crossing !== undefined) return { kind: 'crossing', link: crossing.link };
    if (chance(0.5) && port !== undefined)
      return { kind: 'machine', bridge: port.bridge, address: machine(Number(port.tap.at(-1)), six) };
    return { kind: 'nowhere' };
  };
  const destinations = ['0.0.0.0/0', '10.1.0.0/16', '192.168.7.0/24', ...(dual ? ['::/0', 'fd99::/64'] : [])];
  return {
    ...small,
    blocks: ['10.0.0.0/16', ...(dual ? ['fd00:1:2:300::/56'] : [])],
    segments: numbers.map((number) => ({
      ...front,
      bridge: bridge(number),
      gateways: [`10.0.${number}.1/24`, ...(dual ? [`fd00:1:2:30${number}::1/64`] : [])],
      table: 1000 + number,
      routes: destinations
        .filter(() => chance(0.6))
        .map((destination) => ({ destination, hop: hop(destination.includes(':')) })),
    })),
    ports,
    crossings,
  };
}

test('whatever a router was, it becomes any other one at once', () => {
  const random = generator(7);
  for (let run = 0; run < 60; run++) {
    const kernel = new FakeIp();
    for (let step = 0; step < 8; step++) {
      const router = someRouter(random);
      joined(kernel, router);
      settled(router, kernel);
      expect(routerChanges(router, kernel.state()).downTaps).toEqual([]);
      for (const { tap } of router.ports) kernel.hold(tap, random() < 0.5);
    }
  }
});
