import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  isServing,
  syncDhcpHosts,
  type DhcpHost,
  type DhcpPaths,
} from '../../../../src/host/dhcp/dnsmasq.ts';
import { OWN_NAMESPACE } from '../../../../src/host/link/namespace.ts';

let folder: string;
let paths: DhcpPaths;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bonami-dhcp-'));
  const runFolder = join(folder, 'vpc');
  paths = {
    runFolder,
    dnsmasqLock: join(runFolder, 'dnsmasq.lock'),
    dnsmasqProcess: join(runFolder, 'dnsmasq.json'),
    dnsmasqLog: join(runFolder, 'dnsmasq.log'),
    dhcpHosts: join(runFolder, 'hosts'),
    dnsNames: join(runFolder, 'names'),
  };
});
afterEach(() => rmSync(folder, { recursive: true }));

const web: DhcpHost = {
  key: 'eni1',
  mac: '02:00:00:00:00:01',
  address: '172.31.0.4',
  hostname: 'ip-172-31-0-4',
  names: [
    { address: '172.31.0.4', names: ['ip-172-31-0-4.ec2.internal', 'web.internal'] },
    { address: '172.31.0.5', names: ['ip-172-31-0-5.ec2.internal'] },
  ],
};
const dual: DhcpHost = {
  key: 'eni2',
  mac: '02:00:00:00:00:02',
  address: '172.31.0.6',
  address6: 'fd00::6',
  hostname: 'ip-172-31-0-6',
  names: [
    { address: '172.31.0.6', names: ['ip-172-31-0-6.ec2.internal'] },
    { address: 'fd00::6', names: ['db.internal'] },
  ],
};

const lease = (key: string): string => readFileSync(join(paths.dhcpHosts, key), 'utf8');
const names = (key: string): string => readFileSync(join(paths.dnsNames, key), 'utf8');
const keys = (): readonly (readonly string[])[] =>
  [paths.dhcpHosts, paths.dnsNames].map((each) => readdirSync(each).toSorted());
const isStale = (): boolean => readdirSync(paths.runFolder).includes('dhcp-stale');
/** Another file is another inode, even where it has the same name and text. */
const files = (): readonly number[] =>
  [paths.dhcpHosts, paths.dnsNames].flatMap((each) =>
    readdirSync(each)
      .toSorted()
      .map((key) => statSync(join(each, key)).ino),
  );

describe('a machine', () => {
  test('is a lease and its names, a whole file each that dnsmasq may read', () => {
    syncDhcpHosts(paths, [web]);
    expect(lease('eni1')).toBe('02:00:00:00:00:01,id:*,172.31.0.4,ip-172-31-0-4\n');
    expect(names('eni1')).toBe(
      '172.31.0.4 ip-172-31-0-4.ec2.internal web.internal\n172.31.0.5 ip-172-31-0-5.ec2.internal\n',
    );
    for (const file of [join(paths.dhcpHosts, 'eni1'), join(paths.dnsNames, 'eni1')])
      expect(statSync(file).mode & 0o777).toBe(0o644);
    for (const each of [paths.dhcpHosts, paths.dnsNames]) expect(statSync(each).mode & 0o005).toBe(0o005);
    expect(statSync(paths.runFolder).mode & 0o001).toBe(0o001);
    expect(readdirSync(paths.runFolder).toSorted()).toEqual(['hosts', 'names']);
  });

  test('with IPv6 has that address in its lease too', () => {
    syncDhcpHosts(paths, [dual]);
    expect(lease('eni2')).toBe('02:00:00:00:00:02,id:*,172.31.0.6,[fd00::6],ip-172-31-0-6\n');
    expect(names('eni2')).toBe('172.31.0.6 ip-172-31-0-6.ec2.internal\nfd00::6 db.internal\n');
  });

  test('can be read by dnsmasq whatever the umask is', () => {
    const before = process.umask(0o077);
    try {
      syncDhcpHosts(paths, [web]);
    } finally {
      process.umask(before);
    }
    expect(statSync(join(paths.dhcpHosts, 'eni1')).mode & 0o777).toBe(0o644);
    expect(statSync(paths.dhcpHosts).mode & 0o777).toBe(0o755);
  });
});

describe('machines that come', () => {
  test('leave those that are there untouched, and dnsmasq running', () => {
    syncDhcpHosts(paths, [web]);
    const before = files();
    syncDhcpHosts(paths, [web]);
    expect(files()).toEqual(before);
    syncDhcpHosts(paths, [web, dual]);
    expect(files()).toEqual(expect.arrayContaining([...before]));
    expect(keys()).toEqual([
      ['eni1', 'eni2'],
      ['eni1', 'eni2'],
    ]);
    expect(isStale()).toBe(false);
  });
});

describe('machines that go', () => {
  test('leave neither lease nor name, and a mark that dnsmasq must forget them', () => {
    syncDhcpHosts(paths, [web, dual]);
    syncDhcpHosts(paths, [dual]);
    expect(keys()).toEqual([['eni2'], ['eni2']]);
    expect(isStale()).toBe(true);
  });

  test('may be all of them', () => {
    syncDhcpHosts(paths, [web, dual]);
    syncDhcpHosts(paths, []);
    expect(keys()).toEqual([[], []]);
    expect(isStale()).toBe(true);
  });

  test('leave no mark where there were none', () => {
    syncDhcpHosts(paths, []);
    expect(keys()).toEqual([[], []]);
    expect(isStale()).toBe(false);
  });

  test('leave a mark that stays until dnsmasq is started again, whoever comes next', () => {
    syncDhcpHosts(paths, [web]);
    syncDhcpHosts(paths, []);
    syncDhcpHosts(paths, [web]);
    expect(keys()).toEqual([['eni1'], ['eni1']]);
    expect(isStale()).toBe(true);
  });
});

describe('a machine that changes', () => {
  test.each([
    ['its address', { address: '172.31.0.9' }, '172.31.0.9'],
    ['its IPv6 address', { address6: 'fd00::9' }, '[fd00::9]'],
    ['its MAC', { mac: '02:00:00:00:00:09' }, '02:00:00:00:00:09'],
  ])('%s has another lease, and dnsmasq must forget the old one', (_, change, text) => {
    syncDhcpHosts(paths, [dual]);
    syncDhcpHosts(paths, [{ ...dual, ...change }]);
    expect(lease('eni2')).toContain(text);
    expect(readdirSync(paths.dhcpHosts)).toEqual(['eni2']);
    expect(isStale()).toBe(true);
  });

  test('its names keeps its lease, and dnsmasq notices by itself', () => {
    syncDhcpHosts(paths, [web, dual]);
    const [webLease, dualLease, , dualNames] = files();
    const renamed = { ...web, names: [{ address: web.address, names: ['other.internal'] }] };
    syncDhcpHosts(paths, [renamed, dual]);
    expect(names('eni1')).toBe('172.31.0.4 other.internal\n');
    expect(isStale()).toBe(false);
    expect(files()).toEqual(expect.arrayContaining([webLease, dualLease, dualNames]));
  });
});

test('what lies in the folders without being a machine goes', () => {
  syncDhcpHosts(paths, [web]);
  writeFileSync(join(paths.dnsNames, 'eni9'), '172.31.0.99 old.internal\n');
  syncDhcpHosts(paths, [web]);
  expect(isStale()).toBe(false);
  writeFileSync(join(paths.dhcpHosts, 'eni9'), '02:00:00:00:00:09,id:*,172.31.0.99,old\n');
  syncDhcpHosts(paths, [web]);
  expect(keys()).toEqual([['eni1'], ['eni1']]);
  expect(isStale()).toBe(true);
});

test('nothing serves where nothing was started', () => {
  expect(isServing(paths, OWN_NAMESPACE)).toBe(false);
});
