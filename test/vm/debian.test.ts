// The whole Debian image with its own unmodified cloud-init: once with the metadata service, once with a seed disk.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Instance } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCloud, type Cloud } from '../support/cloud.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';

interface Verdict {
  readonly verdict: string;
  readonly datasource: string;
  readonly stages: readonly { readonly name: string; readonly seconds: number }[];
  readonly problems: readonly { readonly module: string; readonly message: string }[];
}

const GOOD = `#cloud-config
write_files:
  - path: /etc/marker
    content: from user data
runcmd:
  - [sh, -c, 'echo ran > /run/ran']
`;
/** A command that fails, and a module that is given nonsense. */
const BAD = `#cloud-config
runcmd:
  - [sh, -c, 'echo about to fail; exit 7']
`;

let before: Snapshot;
let cloud: Cloud;

beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('debian-12');
  writeFileSync(join(cloud.home, 'good.yaml'), GOOD);
  writeFileSync(join(cloud.home, 'bad.yaml'), BAD);
});

afterAll(async () => {
  await cloud.close();
  await expectNoLeaks(before);
});

const inWeb = async (command: string): Promise<string> =>
  (await cloud.bonami('ssh', 'web', '--', command)).trim();

test('user data is applied, and the verdict is cloud-init its own', async () => {
  const words = [
    'run',
    '-n',
    'web',
    '-u',
    join(cloud.home, 'good.yaml'),
    '--disk',
    '10',
    '--wait',
    'cloud-init',
  ];
  const answer = await cloud.json<{ Instances: Instance[]; CloudInit: Verdict[] }>(...words);
  const [verdict] = answer.CloudInit;
  expect(verdict?.verdict).toBe('done');
  expect(verdict?.datasource).toBe('DataSourceEc2Local');
  expect(verdict?.stages.map(({ name }) => name)).toEqual([
    'init-local',
    'init',
    'modules:config',
    'modules:final',
  ]);
  expect(await inWeb('cat /etc/marker /run/ran')).toBe('from user dataran');
  expect(await inWeb('cloud-init status')).toBe('status: done');
});

test('the guest is what the instance says: name, size, processors, user', async () => {
  const [instance] = await cloud.ls();
  expect(`${await inWeb('hostname')}.ec2.internal`).toBe(instance?.PrivateDnsName);
  expect(await inWeb(`getent hosts ${instance?.PrivateDnsName}`)).toContain(instance?.PrivateIpAddress);
  expect(await inWeb('id -un; sudo -n id -un; nproc')).toBe('debian\nroot\n2');
  expect(Number(await inWeb('df --output=size -BG / | tail -n 1 | tr -dc 0-9'))).toBeGreaterThanOrEqual(9);
  expect(await inWeb('sudo cat /sys/class/dmi/id/board_asset_tag')).toBe(instance?.InstanceId);
  expect(await inWeb('ec2metadata 2>/dev/null || cloud-init query v1.instance_id')).toContain(
    instance?.InstanceId,
  );
  expect(await inWeb('cloud-init query cloud_name')).toBe('aws');
  expect(await inWeb('systemctl --failed --no-legend')).toBe('');
});

test('files, logs and a login key of the guest come out as they went in', async () => {
  await cloud.bonami('cp', join(cloud.home, 'good.yaml'), 'web:/tmp/');
  await cloud.bonami('cp', 'web:/tmp/good.yaml', join(cloud.home, 'back.yaml'));
  expect(readFileSync(join(cloud.home, 'back.yaml'), 'utf8')).toBe(GOOD);
  expect(await cloud.bonami('logs', 'web')).toMatch(/Cloud-init v\. \S+ finished at/);
});

test('it stops by its power button, and its first boot is not done twice', async () => {
  await cloud.bonami('stop', 'web');
  const [stopped] = await cloud.ls();
  expect(stopped?.State?.Name).toBe('stopped');
  await cloud.bonami('start', 'web');
  await cloud.bonami('wait', 'web', '--for', 'cloud-init');
  expect(await inWeb('cat /etc/marker; test -e /run/ran || echo once')).toBe('from user dataonce');
  expect(await inWeb('last -x | grep -c "^shutdown"')).toBe('1');
  await cloud.bonami('terminate', 'web');
});

test('user data that fails gets exit code 3, the module and what it said; the seed disk serves as well', async () => {
  const { code, stdout } = await cloud.try([
    'smoke',
    join(cloud.home, 'bad.yaml'),
    '--datasource',
    'nocloud',
  ]);
  expect(code).toBe(3);
  expect(stdout).toContain('DataSourceNoCloud');
  expect(stdout).toMatch(/ERROR\s+scripts[-_]user/);
  expect(stdout).toContain('about to fail');
  expect(stdout).toMatch(/modules:final\s+[\d.]+ s\s+[\d.]+ s/);
  expect(await cloud.ls()).toEqual([]);
  await expectNoLeaks(before, { home: cloud.home });
});
