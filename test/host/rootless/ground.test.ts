// The ground of an ordinary user's networks, made by processes of such a user on a host of their own.
import { existsSync, rmSync, statSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NAME_FORWARDER, PASSERS } from '../../../src/host/ground/passers.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import {
  HOST_ADDRESS,
  OrdinaryUser,
  OUTSIDE_ADDRESS,
  SECOND_HOST_ADDRESS,
  type Grounded,
} from '../../support/rootless.ts';

let before: Snapshot;
let user: OrdinaryUser;

beforeAll(async () => {
  before = await snapshot();
});
beforeEach(async () => {
  user = await OrdinaryUser.open();
  await user.installGroundChild();
});
afterEach(async () => {
  const fallen = await Promise.allSettled(['a', 'b'].map(async (router) => user.ground('fall', router)));
  const left = await user.close();
  if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
  for (const each of fallen) if (each.status === 'rejected') throw each.reason;
});
afterAll(async () => expectNoLeaks(before));

const anchors = (): readonly number[] => user.pidsOf(/^sleep infinity$/);
const passers = (): readonly number[] => user.pidsOf(/^(slirp4netns|pasta) /);
const kill = (pids: readonly number[]): void => pids.forEach((pid) => process.kill(pid, 'SIGKILL'));
const inode = (file: string): number => statSync(file).ino;

/** A passer has helpers for a moment now and then. */
const expectOneOfEach = async (): Promise<void> =>
  expect.poll(() => [anchors().length, passers().length]).toEqual([1, 1]);

/** What a connection from the ground to an address says: text, or its error. */
async function connect({ ground }: Grounded, address: string, port: number): Promise<string> {
  const script = `const s=require('net').connect(${port},'${address}');s.setTimeout(3000,()=>{console.log('silence');s.destroy()});s.on('error',(e)=>console.log(e.code));s.on('data',(d)=>console.log(String(d)))`;
  return (await user.run(...ground.enter, process.execPath, '-e', script)).trim();
}

describe('a ground', () => {
  test('has what networks are made of', async () => {
    const { router } = await user.ground('stand');
    const script = [
      'ip link add b0 type bridge',
      'ip tuntap add t0 mode tap',
      'ip link set t0 master b0',
      'ip link set t0 type bridge_slave isolated on',
      'nft add table netdev g',
      "nft add chain netdev g c '{ type filter hook ingress device t0 priority 0; }'",
      'nft add table inet f',
      "nft add chain inet f c '{ type filter hook forward priority 0; policy drop; }'",
      'nft add rule inet f c ct state established accept',
      'sysctl -q -w net.ipv4.conf.b0.proxy_arp_pvlan=1',
    ];
    await user.run(...router.enter, 'sh', '-euc', script.join('\n'));
    expect(existsSync(router.file)).toBe(true);
  });

  test('forwards, and sees the host’s folders in /run', async () => {
    const { ground } = await user.ground('ensure');
    expect(await user.run(...ground.enter, 'sysctl', '-n', 'net.ipv4.ip_forward')).toBe('1\n');
    expect(await user.run(...ground.enter, 'ls', '/run')).toContain('lock');
    await user.ground('release');
  });

  test.each(PASSERS)(
    'by %s, reaches the outside as a program of the host does, and not the host',
    async (uplink) => {
      await user.serve('outside', OUTSIDE_ADDRESS, 80, 'outside');
      await user.serve('host', '0.0.0.0', 80, 'the host');
      const grounded = await user.ground('ensure', 'a', { BONAMI_UPLINK: uplink });
      expect(user.pidsOf(new RegExp(`^${uplink} `))).toEqual(passers());
      expect(await connect(grounded, OUTSIDE_ADDRESS, 80)).toBe('outside');
      expect(await connect(grounded, HOST_ADDRESS, 80)).toMatch(/^(ECONNREFUSED|EACCES)$/);
      expect(await connect(grounded, SECOND_HOST_ADDRESS, 80)).toBe('EACCES');
      await user.onHost('addr', 'add', '203.0.113.10/32', 'dev', 'lo');
      await user.onHost('addr', 'del', `${SECOND_HOST_ADDRESS}/32`, 'dev', 'lo');
      await user.ground('ensure');
      expect(await connect(grounded, '203.0.113.10', 80)).toBe('EACCES');
      expect(await user.run(...grounded.ground.enter, 'ip', 'route')).not.toContain(SECOND_HOST_ADDRESS);
      expect(user.pidsOf(new RegExp(`^${uplink} `))).toEqual(passers());
      await user.ground('release');
    },
  );

  test.each(PASSERS)('by %s, has the host ask for names where only the host can', async (uplink) => {
    const env = { BONAMI_UPLINK: uplink };
    expect((await user.ground('ensure', 'a', env)).resolvers).toEqual([OUTSIDE_ADDRESS]);
    user.nameServer('127.0.0.53');
    await user.serveDatagrams('host', '127.0.0.53', 53, 'the host');
    const grounded = await user.ground('ensure', 'a', env);
    expect(grounded.resolvers).toEqual([NAME_FORWARDER]);
    await expectOneOfEach();
    const script = `const s=require('dgram').createSocket('udp4');s.on('message',(m)=>{console.log(String(m));s.close()});s.send(Buffer.alloc(20,1),53,'${NAME_FORWARDER}');setTimeout(()=>process.exit(),5000).unref()`;
    expect(await user.run(...grounded.ground.enter, process.execPath, '-e', script)).toBe('the host\n');
    await user.ground('release');
  });

  test('stands without a way out, and finds it when there is one', async () => {
    await user.onHost('route', 'del', 'default');
    await user.ground('ensure');
    expect([anchors().length, passers().length]).toEqual([1, 0]);
    await user.onHost('route', 'add', 'default', 'via', OUTSIDE_ADDRESS);
    const [anchor] = anchors();
    await user.ground('ensure');
    await expectOneOfEach();
    expect(anchors()).toEqual([anchor]);
    await user.ground('release');
  });

  test('is one, however many want it at once', async () => {
    const all = await Promise.all(Array.from({ length: 6 }, async () => user.ground('ensure')));
    expect(new Set(all.map(({ ground }) => ground.file)).size).toBe(1);
    await expectOneOfEach();
    await user.ground('release');
  });

  test('stays while a router stands on it or is announced, and then goes', async () => {
    await user.ground('stand', 'a');
    await user.ground('ensure', 'b');
    await user.ground('fall', 'a');
    expect(anchors()).toHaveLength(1);
    await user.ground('stand', 'a');
    await user.ground('release', 'b');
    expect(anchors()).toHaveLength(1);
    await user.ground('fall', 'a');
    expect([...user.processes().values()]).toEqual([]);
    await user.ground('release', 'a');
  });
});

test('where user namespaces are refused there is none, and nothing is left of the attempt', async () => {
  // user_namespaces(7): a namespace's own limit; this one is not even the host's.
  const refuse = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"';
  const child = user.groundChild('ensure');
  const words = [
    'unshare',
    '--user',
    '--map-current-user',
    '--keep-caps',
    'sh',
    '-c',
    refuse,
    'sh',
    ...child,
  ];
  const { code, stderr } = await user.try(words);
  expect(code).not.toBe(0);
  expect(stderr).toContain('GroundFailed');
  expect(stderr).toContain('refuses an ordinary user namespaces of their own: unshare:');
  expect([...user.processes().values()]).toEqual([]);
});

describe('after a kill', () => {
  test('of the passer, another one takes its place', async () => {
    await user.serve('outside', OUTSIDE_ADDRESS, 80, 'outside');
    const { router } = await user.ground('stand');
    const namespace = inode(router.file);
    const first = passers();
    kill(first);
    const grounded = await user.ground('ensure');
    await expectOneOfEach();
    expect(passers()).not.toEqual(first);
    expect(inode(grounded.router.file)).toBe(namespace);
    expect(await connect(grounded, OUTSIDE_ADDRESS, 80)).toBe('outside');
  });

  test('of the anchor, nothing is there until it is built anew', async () => {
    await user.ground('stand');
    kill([...anchors()]);
    expect(existsSync((await user.ground('show')).router.file)).toBe(false);
    const { router } = await user.ground('ensure');
    await expectOneOfEach();
    expect(existsSync(router.file)).toBe(false);
    await user.ground('stand');
  });

  test('of the anchor, another one keeps what is still in use', async () => {
    const { router } = await user.ground('stand');
    const namespace = inode(router.file);
    await user.start(router.enter, 'sleep', '1000');
    const first = anchors();
    kill(first);
    const grounded = await user.ground('ensure');
    expect(anchors()).not.toEqual(first);
    await expectOneOfEach();
    expect(inode(grounded.router.file)).toBe(namespace);
    await user.serve('outside', OUTSIDE_ADDRESS, 80, 'outside');
    expect(await connect(grounded, OUTSIDE_ADDRESS, 80)).toBe('outside');
  });

  test('a repair brings back what is in use, and nothing else', async () => {
    await user.ground('repair');
    expect(anchors()).toEqual([]);
    const { router } = await user.ground('stand');
    kill([...passers()]);
    await user.ground('repair');
    await expectOneOfEach();
    kill([...anchors()]);
    await user.ground('repair');
    expect([...user.processes().values()]).toEqual([]);
    const again = await user.ground('stand');
    await user.start(again.router.enter, 'sleep', '1000');
    const namespace = inode(again.router.file);
    kill([...anchors()]);
    await user.ground('repair');
    await expectOneOfEach();
    expect(inode((await user.ground('show')).router.file)).toBe(namespace);
    expect(router.file).not.toBe(again.router.file);
  });

  test.each(['anchor.json', 'way-out.json'])(
    'of whoever should have written %s, there is one of each',
    async (file) => {
      await user.ground('ensure');
      rmSync(`${user.layout.ground.runFolder}/${file}`);
      await user.ground('ensure');
      await expectOneOfEach();
      await user.ground('release');
    },
  );

  test('of both, the ground can be released', async () => {
    await user.ground('ensure');
    kill([...anchors(), ...passers()]);
    await user.ground('release');
    expect([...user.processes().values()]).toEqual([]);
  });
});
