// What OpenSSH itself makes of the configuration: `ssh -G` says how it would connect.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  existsSync,
  lstatSync,
  readdirSync,
} from 'node:fs';
import { join } from 'node:path';
import { execaSync } from 'execa';
import { describe, expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import {
  installSshConfig,
  refreshSshConfig,
  removeSshConfig,
} from '../../../../src/ec2/instances/ssh-config-file.ts';
import { sshConfig } from '../../../../src/ec2/instances/ssh-config.ts';
import { instances, type Instance } from '../../../../src/store/instances.ts';
import { keyPairs } from '../../../../src/store/key-pairs.ts';
import { putTags } from '../../../../src/store/tags.ts';
import { networkLab } from '../../../support/network-lab.ts';

const lab = networkLab();

/** A running instance with this Name tag. */
function instance(name: string | undefined, over: Partial<Instance> = {}): Instance {
  const [vpc = lab.vpc('10.0.0.0/16')] = known.get(lab.ctx) ?? [];
  const [, subnet = lab.subnet(vpc, '10.0.1.0/24')] = known.get(lab.ctx) ?? [];
  known.set(lab.ctx, [vpc, subnet]);
  const made = lab.instance(subnet, { state: 'running', defaultUser: 'admin', ...over });
  if (name !== undefined) putTags(lab.ctx.db, made.instanceId, { Name: name });
  return made;
}
const known = new WeakMap<object, [ReturnType<typeof lab.vpc>, ReturnType<typeof lab.subnet>]>();

const addressOf = ({ instanceId }: Instance): string =>
  lab.interfacesOf(instanceId)[0]?.privateIpAddress ?? '';

/** What ssh would do for a host, by the lower-case names of its options; `hostname` is the host itself when nothing is said of it. */
function ask(host: string, text = sshConfig(lab.ctx)): Readonly<Record<string, string>> {
  const file = join(lab.ctx.layout.home, 'asked');
  writeFileSync(file, text, { mode: 0o600 });
  return resolved(file, host);
}

function resolved(file: string, host: string): Readonly<Record<string, string>> {
  const { stdout } = execaSync('ssh', ['-G', '-F', file, host]);
  return Object.fromEntries(
    stdout.split('\n').map((line) => [line.split(' ', 1)[0] ?? '', line.slice(line.indexOf(' ') + 1)]),
  );
}

describe('a Host block', () => {
  test('is found by name and by id, and says all that ssh must know', () => {
    const keyPairId = newId('keyPair');
    keyPairs.insert(lab.ctx.db, {
      keyPairId,
      keyName: 'bonami',
      keyType: 'ed25519',
      publicKey: 'ssh-ed25519 AAAA',
      fingerprint: '',
      createTime: new Date(0).toISOString(),
      privateKeyKept: true,
    });
    const key = lab.ctx.layout.keyPair(keyPairId).privateKey;
    writeFileSync(key, '');
    const web = instance('web', { keyName: 'bonami' });
    const expected = {
      hostname: addressOf(web),
      user: 'admin',
      identityfile: key,
      identitiesonly: 'yes',
      userknownhostsfile: join(lab.ctx.layout.instance(web.instanceId).folder, 'known_hosts'),
      hostkeyalias: web.instanceId,
      stricthostkeychecking: 'accept-new',
    };
    expect(ask('web.bonami')).toMatchObject(expected);
    expect(ask(`${web.instanceId}.bonami`)).toMatchObject(expected);
    expect(ask('web')['hostname']).toBe('web');
    expect(ask('db.bonami')['hostname']).toBe('db.bonami');
  });

  test('goes by a proxy where this host has no route, under quotes and percent signs', () => {
    const web = instance('web');
    const odd = "/opt/it's 100% ours/dist/agent.js";
    const command = ask('web.bonami', sshConfig({ ...lab.ctx, agentScript: odd }))['proxycommand'] ?? '';
    // What ssh does with it: tokens first, then the shell.
    const { stdout } = execaSync('sh', ['-c', `printf '%s\\n' ${command.replaceAll('%%', '%')}`]);
    expect(stdout.split('\n')).toEqual([
      'env',
      `BONAMI_HOME=${lab.ctx.layout.home}`,
      expect.stringMatching(/^XDG_RUNTIME_DIR=\//),
      process.execPath,
      "/opt/it's 100% ours/dist/main.js",
      'ssh',
      '--quiet',
      '--proxy',
      web.instanceId,
    ]);
  });

  test('is there for what runs or is about to, and for nothing else', () => {
    for (const state of ['pending', 'running', 'stopping', 'stopped', 'shutting-down', 'terminated'] as const)
      instance(state, { state });
    const blocks = [...sshConfig(lab.ctx).matchAll(/^Host (\S+)/gm)].map(([, host]) => host);
    expect(blocks).toEqual(['running.bonami', 'pending.bonami']);
  });

  test('keeps a user name of an image that could be more than one word out', () => {
    instance('web', { defaultUser: 'root\n  ProxyCommand touch /tmp/owned' });
    expect(sshConfig(lab.ctx)).not.toMatch(/owned|User /);
  });
});

describe('a name', () => {
  test.each([
    'web server',
    'web\n  ProxyCommand touch /tmp/owned',
    'web\r  ProxyCommand x',
    '*',
    '?',
    '!web',
    'web,db',
    '"web"',
    '-oProxyCommand=x',
    'web-',
    'wéb',
    'web.prod',
    '$(x)',
    '%h',
    '',
    'a'.repeat(64),
  ])('%j is left out, and the id is there', (name) => {
    const made = instance(undefined);
    // Nothing that is stored may be trusted, wherever it came from.
    putTags(lab.ctx.db, made.instanceId, { Name: name });
    const text = sshConfig(lab.ctx);
    expect(text).toMatch(new RegExp(`^Host ${made.instanceId}\\.bonami$`, 'm'));
    expect(text).not.toContain('touch');
    expect(text.match(/ProxyCommand/g)).toHaveLength(1);
    expect(ask(`${made.instanceId}.bonami`)['hostname']).toBe(addressOf(made));
  });

  test('that is the id of another instance does not stand for it', () => {
    const victim = instance('victim');
    const thief = instance(victim.instanceId, { launchTime: new Date().toISOString() });
    expect(ask(`${victim.instanceId}.bonami`)['hostname']).toBe(addressOf(victim));
    expect(ask(`${victim.instanceId.toUpperCase()}.bonami`)['hostname']).not.toBe(addressOf(thief));
  });

  test('is found as it is written and in lower case', () => {
    const made = instance('Web-1');
    expect(ask('Web-1.bonami')['hostname']).toBe(addressOf(made));
    expect(ask('web-1.bonami')['hostname']).toBe(addressOf(made));
  });

  test('of several means the one that runs, then the newest, and it says so', () => {
    const at = (seconds: number) => ({ launchTime: new Date(seconds * 1000).toISOString() });
    const old = instance('web', at(1));
    const newest = instance('WEB', at(3));
    const booting = instance('web', { ...at(4), state: 'pending' });
    expect(ask('web.bonami')['hostname']).toBe(addressOf(newest));
    expect(ask(`${old.instanceId}.bonami`)['hostname']).toBe(addressOf(old));
    expect(sshConfig(lab.ctx)).toContain(
      `# 'web' is also the name of ${old.instanceId}, ${booting.instanceId}; this one is running or newer.\nHost WEB.bonami web.bonami ${newest.instanceId}.bonami\n`,
    );
  });
});

describe('the installed configuration', () => {
  const user = (): string => join(lab.ctx.layout.home, 'user home/.ssh/config');
  const ownMode = (path: string): number => statSync(path).mode & 0o777;

  test('is included by a line at the top; both may be read by the user alone', async () => {
    const web = instance('web');
    await installSshConfig(lab.ctx, user());
    expect(readFileSync(user(), 'utf8')).toBe(`Include ${lab.ctx.layout.sshConfig}\n`);
    expect([ownMode(user()), ownMode(join(user(), '..')), ownMode(lab.ctx.layout.sshConfig)]).toEqual([
      0o600, 0o700, 0o600,
    ]);
    expect(resolved(user(), 'web.bonami')['hostname']).toBe(addressOf(web));
  });

  test.each([
    ['with a final newline', 'Host *\n  User me\n'],
    ['without one', 'Host *\n  User me'],
    ['of another system', 'Host *\r\n  User me\r\n'],
    ['with an empty line first', '\nHost *\n  User me\n'],
  ])('leaves what was there %s as it was, mode included', async (_, text) => {
    mkdirSync(join(user(), '..'), { recursive: true });
    writeFileSync(user(), text);
    chmodSync(user(), 0o640);
    await installSshConfig(lab.ctx, user());
    await installSshConfig(lab.ctx, user());
    expect(readFileSync(user(), 'utf8')).toBe(`Include ${lab.ctx.layout.sshConfig}\n${text}`);
    expect(ownMode(user())).toBe(0o640);
    await removeSshConfig(lab.ctx, user());
    expect(readFileSync(user(), 'utf8')).toBe(text);
    expect(ownMode(user())).toBe(0o640);
    expect(existsSync(lab.ctx.layout.sshConfig)).toBe(false);
    expect(readdirSync(join(user(), '..'))).toEqual(['config']);
  });

  test('what it says of its instances comes before what the user says of all', async () => {
    instance('web');
    mkdirSync(join(user(), '..'), { recursive: true });
    writeFileSync(user(), 'Host *\n  User me\n', { mode: 0o600 });
    await installSshConfig(lab.ctx, user());
    expect(resolved(user(), 'web.bonami')['user']).toBe('admin');
    expect(resolved(user(), 'example.org')['user']).toBe('me');
  });

  test('that is removed leaves nothing of what it had made; twice is once', async () => {
    await installSshConfig(lab.ctx, user());
    await removeSshConfig(lab.ctx, user());
    await removeSshConfig(lab.ctx, user());
    expect(existsSync(user())).toBe(false);
  });

  test('a link to a file elsewhere stays one', async () => {
    const elsewhere = join(lab.ctx.layout.home, 'dotfiles');
    writeFileSync(elsewhere, 'Host *\n', { mode: 0o600 });
    mkdirSync(join(user(), '..'), { recursive: true });
    symlinkSync(elsewhere, user());
    await installSshConfig(lab.ctx, user());
    expect(lstatSync(user()).isSymbolicLink()).toBe(true);
    expect(readFileSync(elsewhere, 'utf8')).toMatch(/^Include /);
    await removeSshConfig(lab.ctx, user());
    expect(readFileSync(elsewhere, 'utf8')).toBe('Host *\n');
  });

  test('one that cannot be changed is told with the line to put there', async () => {
    const file = join(lab.ctx.layout.home, 'file');
    writeFileSync(file, '');
    await expect(installSshConfig(lab.ctx, join(file, 'config'))).rejects.toThrow(
      expect.objectContaining({ hint: expect.stringContaining(`Include ${lab.ctx.layout.sshConfig}`) }),
    );
  });

  test('follows what happens to instances, and only when something did', async () => {
    const web = instance('web');
    refreshSshConfig(lab.ctx);
    expect(existsSync(lab.ctx.layout.sshConfig)).toBe(false);
    await installSshConfig(lab.ctx, user());
    const { ino } = statSync(lab.ctx.layout.sshConfig);
    refreshSshConfig(lab.ctx);
    expect(statSync(lab.ctx.layout.sshConfig).ino).toBe(ino);
    putTags(lab.ctx.db, web.instanceId, { Name: 'db' });
    refreshSshConfig(lab.ctx);
    expect(resolved(user(), 'db.bonami')['hostname']).toBe(addressOf(web));
    instances.update(lab.ctx.db, { ...web, state: 'stopped' });
    refreshSshConfig(lab.ctx);
    expect(readFileSync(lab.ctx.layout.sshConfig, 'utf8')).not.toContain('Host ');
  });

  test('waits for another home that changes the same file', async () => {
    mkdirSync(join(user(), '..'), { recursive: true });
    writeFileSync(user(), 'Host *\n', { mode: 0o600 });
    const other =
      'text=$(cat config); echo reading; sleep 0.3; printf "Include other\\n%s\\n" "$text" >config';
    const child = spawn('flock', ['.', 'sh', '-c', other], { cwd: join(user(), '..') });
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    await installSshConfig(lab.ctx, user());
    await ended;
    expect(readFileSync(user(), 'utf8')).toBe(`Include ${lab.ctx.layout.sshConfig}\nInclude other\nHost *\n`);
    expect(readdirSync(join(user(), '..'))).toEqual(['config']);
  });
});
