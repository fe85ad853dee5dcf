// Rulesets that show every kind of rule once.
import type {
  GroupRules,
  Guard,
  HostRuleset,
  NetworkRuleset,
} from '../../../../src/host/firewall/ruleset.ts';

export const everywhere = [
  { peer: { block: '0.0.0.0/0' }, match: { kind: 'all' } },
  { peer: { block: '::/0' }, match: { kind: 'all' } },
] as const;

export const web: GroupRules = {
  key: 'sg_aaaaaaaaaaaa',
  members: ['172.31.0.4', '172.31.16.4', 'fd00:1::4'],
  ingress: [
    { peer: { block: '0.0.0.0/0' }, match: { kind: 'ports', protocol: 6, from: 443, to: 443 } },
    { peer: { block: '::/0' }, match: { kind: 'ports', protocol: 6, from: 443, to: 443 } },
    { peer: { block: '172.31.0.0/16' }, match: { kind: 'ports', protocol: 6, from: 400, to: 500 } },
    { peer: { block: '172.31.0.0/16' }, match: { kind: 'ports', protocol: 17, from: 1000, to: 2000 } },
    { peer: { block: '172.31.0.0/16' }, match: { kind: 'icmp', protocol: 1, type: 8 } },
    { peer: { block: 'fd00:1::/56' }, match: { kind: 'icmp', protocol: 58, type: 128, code: 0 } },
    { peer: { block: '10.0.0.0/8' }, match: { kind: 'protocol', protocol: 47 } },
    { peer: { groupKey: 'sg_aaaaaaaaaaaa' }, match: { kind: 'all' } },
    { peer: { groupKey: 'sg_bbbbbbbbbbbb' }, match: { kind: 'ports', protocol: 6, from: 22, to: 22 } },
    { peer: { block: '169.254.96.0/20' }, match: { kind: 'all' } },
  ],
  egress: everywhere,
};
export const closed: GroupRules = { key: 'sg_bbbbbbbbbbbb', members: [], ingress: [], egress: [] };

export const small: NetworkRuleset = {
  bridgePrefix: 'snt',
  blocks: ['172.31.0.0/16', 'fd00:1::/56'],
  hasWayOut: true,
  metadataAddress: '169.254.169.254',
  segments: [
    { bridge: 'snt111111111111', waysOut: [] },
    { bridge: 'snt222222222222', waysOut: [] },
  ],
  ports: [
    {
      key: 'eni111111111111',
      mac: '02:11:22:33:44:01',
      addresses: ['172.31.0.4', 'fd00:1::4'],
      groupKeys: [web.key],
      hopLimit: 1,
    },
    {
      key: 'eni222222222222',
      mac: '02:11:22:33:44:02',
      addresses: ['172.31.16.4'],
      groupKeys: [web.key, closed.key],
      hopLimit: 2,
    },
  ],
  groups: [web, closed],
  crossings: [],
  publicAddresses: [],
};

export const full: NetworkRuleset = {
  ...small,
  segments: [
    {
      bridge: 'snt111111111111',
      inbound: [
        { action: 'deny', block: '203.0.113.0/24', match: { kind: 'all' } },
        {
          action: 'allow',
          block: '0.0.0.0/0',
          match: { kind: 'ports', protocol: 6, from: 1024, to: 65_535 },
        },
        { action: 'allow', block: '::/0', match: { kind: 'icmp', protocol: 58, type: 128 } },
      ],
      outbound: [],
      waysOut: [
        { destination: '198.51.100.0/24' },
        { destination: '0.0.0.0/0', source: '203.0.113.9' },
        { destination: '::/0' },
      ],
    },
    { bridge: 'snt222222222222', waysOut: [{ destination: '0.0.0.0/0' }] },
  ],
  crossings: [
    { link: 'pcx111111111111', blocks: ['10.1.0.0/16', 'fd00:2::/56'] },
    { link: 'pcx222222222222', blocks: ['10.2.0.0/16'] },
  ],
  publicAddresses: [
    { address: '203.0.113.4', carrier: '203.0.113.4', privateAddress: '172.31.0.4' },
    { address: '192.168.1.44', carrier: '100.64.0.44', privateAddress: '172.31.16.4' },
  ],
};

export const guard: Guard = { tap: 'eni111111111111', mac: '02:11:22:33:44:01', addresses: ['172.31.0.4'] };
export const router: Guard = {
  tap: 'eni222222222222',
  mac: '02:11:22:33:44:02',
  addresses: ['172.31.16.4', '172.31.16.5', 'fd00:1::5'],
  forwardsExcept: ['172.31.0.0/16', 'fd00:1::/56'],
  bytesPerSecond: 12_500_000,
};

export const host: HostRuleset = {
  table: 'bonami_bnv111111111111',
  hostLink: 'bnv111111111111',
  uplinkPrefix: 'bnv',
  blocks: ['172.31.0.0/16', 'fd00:1::/56'],
  routerAddress: '169.254.96.2',
  hasWayOut: true,
  publicAddresses: full.publicAddresses,
};

/** The lines of one chain, without indentation. */
export function chain(table: string, name: string): readonly string[] {
  const [, rest = ''] = table.split(`  chain ${name} {\n`);
  const [body = ''] = rest.split('  }\n');
  return body.split('\n').flatMap((line) => line.trim() || []);
}
