// What iproute2 said of real namespaces, word for word (iproute2 6.1, Linux 6.18): one in which the full sample router
// stands, with a machine on the first tap and two neighbours that nobody named; and one in which there is nothing.
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { probeKernel, type KernelState } from '../../../../src/host/link/kernel-state.ts';
import type { Namespace } from '../../../../src/host/link/namespace.ts';
import { routerChanges } from '../../../../src/host/link/router-changes.ts';
import { APPLIANCE, BACK, CROSSING, FRONT, full, small, WEB } from './sample-routers.ts';

/** Enters a recording: the questions of the families are answered from one file each. */
function recorded(name: string): Namespace {
  const file = join(import.meta.dirname, 'recorded', name);
  const script = `cat > /dev/null; case "$*" in 'ip -6 '*) cat ${file}-6.txt;; *) cat ${file}.txt;; esac`;
  return { enter: ['sh', '-c', script, 'sh'], file };
}

let standing: KernelState;
beforeAll(async () => (standing = await probeKernel(recorded('full-router'), { dual: true })));

const routeTo = (destination: string, table: string): unknown =>
  standing.routes.find((each) => each.destination === destination && each.table === table);

test('a router that stands needs nothing', () => {
  const changes = routerChanges(full, standing);
  expect(changes).toEqual({
    isNew: false,
    links: [],
    downTaps: [],
    addresses: [],
    addresses6: [],
    neighbours: [],
    up: [],
    forwarding: expect.any(Array),
  });
});

describe('links', () => {
  test('are all of them, by their names', () => {
    expect([...standing.links.keys()].toSorted()).toEqual(
      ['lo', 'up0', 'up1', 'other', CROSSING, FRONT, BACK, WEB, APPLIANCE].toSorted(),
    );
  });

  test('have addresses with their lengths; what the kernel gives itself is none', () => {
    expect(standing.links.get(FRONT)).toEqual({
      name: FRONT,
      mac: '02:ff:11:11:11:11',
      mtu: 9001,
      isUp: true,
      hasCarrier: true,
      master: undefined,
      isIsolated: false,
      isMultiqueue: false,
      addresses: ['10.0.1.1/24', 'fd00:1:2:301::1/64'],
    });
    expect(standing.links.get('lo')?.addresses).toEqual([
      '127.0.0.1/8',
      '10.0.0.2/32',
      '169.254.169.253/32',
      '169.254.169.254/32',
    ]);
    expect(standing.links.get(CROSSING)?.addresses).toEqual([]);
  });

  test('are held where a machine has them open, and isolated ports of their bridges', () => {
    const port = { isUp: true, isIsolated: true, mtu: 9001 };
    expect(standing.links.get(WEB)).toMatchObject({
      ...port,
      master: FRONT,
      hasCarrier: true,
      isMultiqueue: false,
    });
    expect(standing.links.get(APPLIANCE)).toMatchObject({
      ...port,
      master: BACK,
      hasCarrier: false,
      isMultiqueue: true,
    });
  });
});

describe('routes', () => {
  test('are those that somebody made, of both families, with their lengths', () => {
    expect(standing.routes.filter(({ table }) => table === 'main')).toEqual([
      {
        family: 4,
        table: 'main',
        type: 'unicast',
        destination: '0.0.0.0/0',
        gateway: '169.254.96.1',
        device: 'up0',
      },
      { family: 4, table: 'main', type: 'blackhole', destination: '10.0.0.0/16' },
      { family: 4, table: 'main', type: 'blackhole', destination: '169.254.0.0/16' },
      { family: 6, table: 'main', type: 'blackhole', destination: 'fd00:1:2:300::/56', device: 'lo' },
    ]);
    expect(routeTo('::/0', '900')).toMatchObject({ family: 6, type: 'blackhole' });
    expect(routeTo('0.0.0.0/0', '900')).toMatchObject({ family: 4, type: 'blackhole' });
    expect(routeTo('10.0.0.0/16', '268435458')).toMatchObject({ type: 'throw' });
    expect(routeTo('192.168.0.0/24', '268435457')).toMatchObject({ gateway: '10.0.2.10', device: BACK });
    expect(routeTo('10.1.0.0/16', '268435457')).toMatchObject({ gateway: '169.254.80.1', device: CROSSING });
    expect(routeTo('fd00:1:2:400::/56', '268435457')).toMatchObject({ gateway: 'fe80::1', device: CROSSING });
  });

  test("are not the kernel's own, which are told apart", () => {
    expect(standing.routes.filter(({ destination }) => destination === '10.0.1.0/24')).toEqual([]);
    expect(standing.routes.filter(({ table }) => table === 'local')).toEqual([]);
    expect([...standing.connected]).toEqual(
      expect.arrayContaining([`${FRONT} 10.0.1.0/24`, `${BACK} 10.0.2.0/24`, 'up0 169.254.96.0/30']),
    );
  });
});

test('rules are of their family, with where they look', () => {
  const rules = [
    { priority: 90, input: 'up0', table: '900' },
    { priority: 90, input: CROSSING, table: '900' },
    { priority: 100, input: FRONT, table: '268435457' },
    { priority: 100, input: BACK, table: '268435458' },
  ];
  const ours = standing.rules.filter(({ input }) => input !== undefined);
  expect(ours).toEqual([
    ...rules.map((rule) => ({ ...rule, family: 4 })),
    ...rules.map((rule) => ({ ...rule, family: 6 })),
  ]);
  expect(standing.rules).toContainEqual({ family: 4, priority: 32_766, input: undefined, table: 'main' });
});

test('neighbours are permanent, learned, or have not answered yet', () => {
  const found = (address: string): unknown => standing.neighbours.find((each) => each.address === address);
  expect(found('fd00:1:2:301::10')).toEqual({
    address: 'fd00:1:2:301::10',
    isPermanent: true,
    mac: '02:00:00:00:00:01',
    device: FRONT,
  });
  expect(found('10.0.1.77')).toMatchObject({ isPermanent: false, mac: '02:00:00:00:00:77' });
  expect(found('10.0.1.78')).toMatchObject({ isPermanent: false, mac: undefined });
});

test('without IPv6 nothing is asked about its rules', async () => {
  const { rules } = await probeKernel(recorded('full-router'), { dual: false });
  expect(rules.filter(({ family }) => family === 6)).toEqual([]);
  expect(rules.filter(({ family }) => family === 4)).toHaveLength(7);
});

test('where there is nothing a whole router is to be made', async () => {
  const nothing = await probeKernel(recorded('nothing'), { dual: false });
  expect([...nothing.links.keys()]).toEqual(['lo']);
  expect(nothing.links.get('lo')).toMatchObject({ isUp: false, addresses: [] });
  expect([nothing.routes, nothing.neighbours, nothing.connected.size]).toEqual([[], [], 0]);
  expect(routerChanges(small, nothing)).toMatchObject({ isNew: true, downTaps: [WEB] });
});
