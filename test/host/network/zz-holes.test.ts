import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../../support/world.ts';
import { MetadataListeners } from '../../../src/metadata-listeners.ts';
import type { Guest } from '../../support/guest.ts';

let world: World;
let a: Guest, b: Guest;
let subnet: any;
let listeners: MetadataListeners;
let six: (n: number) => string;
beforeAll(async () => {
  world = new World();
  const vpc = await world.vpc('10.91.0.0/16', { ipv6: true });
  const block = world.record(vpc).ipv6?.cidrBlock ?? '';
  const open = await world.openGroup(vpc);
  subnet = await world.subnet(vpc, '10.91.1.0/24', block.replace(/00::\/56$/, `01::/64`));
  six = (n) => `${subnet.ipv6?.cidrBlock.split('/')[0]}${n}`;
  a = await world.boot({ subnet, groups: [open], ipv6: six(10) });
  b = await world.boot({ subnet, groups: [open], ipv6: six(11) });
  listeners = new MetadataListeners(world.ctx, { tokenKey: { key: randomBytes(32), uptime: () => process.uptime() } });
  await listeners.serve(vpc);
});
afterAll(async () => {
  await listeners.close();
  await World.closeAll();
});
const put = 'PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n';

test('dhcp6', async () => {
  for (const g of [a, b]) g.run('sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=0', 'net.ipv6.conf.eth0.accept_ra=2');
  console.log(await a.does('ask-for-router'));
  console.log(await a.does('dhcp6'), await b.does('dhcp6'));
});
test('metadata', async () => {
  console.log(await a.does('ask-metadata', JSON.stringify([put])));
  console.log('split', await a.does('ask-metadata', JSON.stringify(['P', put.slice(1)])));
  console.log('get', await a.does('ask-metadata', JSON.stringify(['GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'])));
  console.log('pipelined', await a.does('ask-metadata', JSON.stringify(['GET / HTTP/1.1\r\nHost: x\r\n\r\n' + put])));
});
test('decline4', async () => {
  console.log(await b.dhcp());
  await a.does('send-dhcp', '4', b.mac, b.address, '10.91.1.1');
  await new Promise((r) => setTimeout(r, 300));
  console.log('after decline', await b.dhcp());
});
test('decline6', async () => {
  const ll = (mac: string) => { const o = mac.split(':').map((x) => parseInt(x, 16)); o[0]! ^= 2; const h = [...o.slice(0, 3), 0xff, 0xfe, ...o.slice(3)].map((x) => x.toString(16).padStart(2, '0')); return `fe80::${h[0]}${h[1]}:${h[2]}${h[3]}:${h[4]}${h[5]}:${h[6]}${h[7]}`; };
  await a.does('decline6', b.mac, ll(b.mac), six(11));
  await new Promise((r) => setTimeout(r, 300));
  console.log('after decline6', await b.does('dhcp6'));
  console.log(execFileSync('tail', ['-40', `${world.ctx.layout.vpc(subnet.vpcId).dnsmasqLog}`], { encoding: 'utf8' }));
});
