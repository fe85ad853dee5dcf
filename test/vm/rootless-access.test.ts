// The ways into an instance for an ordinary user, whose networks this host has no route to.
import { writeFileSync, chownSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cachedImage } from '../support/cloud.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';
import { OrdinaryUser } from '../support/rootless.ts';

let before: Snapshot;
let user: OrdinaryUser;

beforeAll(async () => {
  before = await snapshot();
  user = await OrdinaryUser.open();
  user.installProgram();
  const words = ['--name', 'tiny', '--user', 'root', '--first-boot', 'tiny', '--root-device', '/dev/sda1'];
  await user.bonami('image', 'import', user.give(cachedImage('tiny'), 'tiny.qcow2'), ...words);
  // Without a group that lets anybody in: ways into a VPC need none.
  await user.bonami('sg', 'create', 'closed');
  await user.bonami('run', 'tiny', '-n', 'web', '-t', 't3.nano', '-g', 'closed', '--wait', 'ssh');
});

afterAll(async () => {
  await user.bonami('terminate', 'web');
  const left = await user.close();
  await expectNoLeaks(before);
  if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
});

const shell = async (script: string) =>
  user.try(['sh', '-c', `cd "$HOME" && ${script}`, 'sh', ...user.program]);

test('a command is run with its input, its output and its exit code', async () => {
  const { code, stdout } = await user.try([...user.program, 'ssh', 'web', '--', 'tr a-z A-Z; exit 7'], {
    input: 'from the host',
  });
  expect([stdout, code]).toEqual(['FROM THE HOST', 7]);
});

test('files are copied from and to where the user is', async () => {
  writeFileSync(join(user.home, 'there.txt'), 'over the wire\n');
  chownSync(join(user.home, 'there.txt'), user.uid, user.uid);
  const { code, stdout, stderr } = await shell(
    '"$@" cp there.txt web:/run/there.txt && "$@" cp web:/run/there.txt ./back.txt && cat back.txt && stat -c %u back.txt',
  );
  expect([stderr, code]).toEqual(['', 0]);
  expect(stdout).toBe(`over the wire\n${user.uid}\n`);
});

test('a port is passed on', async () => {
  const listen = `require('net').connect(18022,'127.0.0.1').once('data',(d)=>{console.log(String(d).slice(0,8));process.exit()}).on('error',(e)=>process.exit(1))`;
  const { stdout } = await shell(
    `{ "$@" port-forward web 18022:22 & } && forwarding=$! && until ${process.execPath} -e "${listen}"; do sleep 0.1; done; kill -TERM $forwarding; wait $forwarding; echo $?`,
  );
  expect(stdout).toMatch(/^127\.0\.0\.1:18022 -> i-[0-9a-f]+ port 22\nSSH-2\.0-\n130\n$/);
});

test('plain ssh and scp find it, wherever they are started from', async () => {
  const config = join(user.home, 'config');
  await user.bonami('ssh-config', '--install', '--config', config);
  const bare = ['env', '-i', `HOME=${user.home}`, 'PATH=/usr/bin:/bin'];
  expect(await user.run(...bare, 'ssh', '-F', config, 'web.bonami', 'cat /run/there.txt')).toBe(
    'over the wire\n',
  );
  await user.run(
    ...bare,
    'scp',
    '-q',
    '-F',
    config,
    'web.bonami:/run/there.txt',
    join(user.home, 'third.txt'),
  );
  await user.bonami('ssh-config', '--remove', '--config', config);
});
