// Routers for tests: one that has a little of everything, and ways to vary it.
import type { Port, Router, Segment } from '../../../../src/host/link/router.ts';

export const [FRONT, BACK] = ['snt111111111111', 'snt222222222222'] as const;
export const [WEB, APPLIANCE] = ['eni111111111111', 'eni222222222222'] as const;
export const CROSSING = 'pcx111111111111';
export const BLOCK6 = 'fd00:1:2:300::/56';

export const front: Segment = {
  bridge: FRONT,
  mac: '02:ff:11:11:11:11',
  gateways: ['10.0.1.1/24'],
  table: 0x1000_0001,
  routes: [{ destination: '0.0.0.0/0', hop: { kind: 'uplink' } }],
};

export const web: Port = {
  tap: WEB,
  bridge: FRONT,
  mac: '02:00:00:00:00:01',
  addresses: ['10.0.1.10'],
  uid: 70001,
  queues: 1,
};

/** One subnet with one machine, and a way out. */
export const small: Router = {
  blocks: ['10.0.0.0/16'],
  serviceAddresses: ['10.0.0.2', '169.254.169.253', '169.254.169.254'],
  hostAddress: '169.254.96.1',
  segments: [front],
  ports: [web],
  crossings: [],
};

/** Two subnets of both families, a machine that forwards, a peer, and a route of every kind. */
export const full: Router = {
  ...small,
  blocks: ['10.0.0.0/16', BLOCK6],
  segments: [
    {
      ...front,
      gateways: ['10.0.1.1/24', 'fd00:1:2:301::1/64'],
      routes: [
        { destination: '0.0.0.0/0', hop: { kind: 'uplink' } },
        { destination: '::/0', hop: { kind: 'uplink' } },
        { destination: '10.1.0.0/16', hop: { kind: 'crossing', link: CROSSING } },
        { destination: 'fd00:1:2:400::/56', hop: { kind: 'crossing', link: CROSSING } },
        { destination: '192.168.0.0/24', hop: { kind: 'machine', bridge: BACK, address: '10.0.2.10' } },
        {
          destination: 'fd99::/64',
          hop: { kind: 'machine', bridge: BACK, address: 'fd00:1:2:302::10' },
        },
        { destination: '198.51.100.0/24', hop: { kind: 'nowhere' } },
        { destination: 'fd98::/64', hop: { kind: 'nowhere' } },
      ],
    },
    {
      bridge: BACK,
      mac: '02:ff:22:22:22:22',
      gateways: ['10.0.2.1/24', 'fd00:1:2:302::1/64'],
      table: 0x1000_0002,
      routes: [],
    },
  ],
  ports: [
    { ...web, addresses: ['10.0.1.10', '10.0.1.11', 'fd00:1:2:301::10'] },
    {
      tap: APPLIANCE,
      bridge: BACK,
      mac: '02:00:00:00:00:02',
      addresses: ['10.0.2.10', 'fd00:1:2:302::10'],
      uid: 70002,
      queues: 4,
      bitsPerSecond: 64_000_000,
    },
  ],
  crossings: [{ link: CROSSING, peerMac: '02:fe:11:11:11:02' }],
};

export function withSegment(router: Router, change: Partial<Segment>, at = 0): Router {
  return {
    ...router,
    segments: router.segments.map((each, index) => (index === at ? { ...each, ...change } : each)),
  };
}

export function withPort(router: Router, change: Partial<Port>, at = 0): Router {
  return {
    ...router,
    ports: router.ports.map((each, index) => (index === at ? { ...each, ...change } : each)),
  };
}
