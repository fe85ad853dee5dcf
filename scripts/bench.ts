// How fast bonami is, as ratios within one run: against node itself, against QEMU itself, and against the same
// image booted by a QEMU line written by hand, images against qemu-img, cp and xz. `npm run bench [-- start boot ten images network]`; results in .bench/ as JSON.
import { execa } from 'execa';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { hostArchitecture } from '../src/core/architecture.ts';
import { probeAccelerator } from '../src/host/qemu/accelerator.ts';
import { openCloud, cachedImage, PROGRAM, type Cloud } from '../test/support/cloud.ts';
import { create, launch } from './bench/instances.ts';
import { compressed, converted, plain } from './bench/imports.ts';
import { median, note, type Row, ROUNDS, times } from './bench/measure.ts';
import { memory } from './bench/memory.ts';
import { path, rules, vpc } from './bench/network.ts';

const QUICK_ROUNDS = 15;
const rows: Row[] = [];
const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { data: { type: 'string', default: '2048' } },
});
const parts: Readonly<Record<string, () => Promise<void>>> = {
  start,
  boot,
  ten,
  ...imageParts(),
  ...networkParts(),
};
for (const [name, part] of Object.entries(parts))
  if (wanted.length === 0 || wanted.some((word) => name === word || name.startsWith(`${word}-`)))
    await part();
report();

/** All of them are `images`. */
function imageParts(): Readonly<Record<string, () => Promise<void>>> {
  const work = { rows, dataMiB: Number(values.data) };
  const all = { plain, converted, compressed, launch, create, memory };
  return Object.fromEntries(
    Object.entries(all).map(([name, part]) => [`images-${name}`, async () => part(work)]),
  );
}

/** All of them are `network`. */
function networkParts(): Readonly<Record<string, () => Promise<void>>> {
  const parts = { path, rules, vpc };
  return Object.fromEntries(
    Object.entries(parts).map(([name, part]) => [`network-${name}`, async () => part({ rows })]),
  );
}

/** How long until a command has done nothing, and until it has a QEMU running. */
async function start(): Promise<void> {
  const cloud = await openCloud('tiny');
  try {
    const node = await times(QUICK_ROUNDS, () => execa(process.execPath, ['-e', '0']));
    const qemu = await times(QUICK_ROUNDS, () => execa('qemu-system-x86_64', ['-version']));
    const ls = await times(QUICK_ROUNDS, () => cloud.bonami('ls'));
    rows.push({
      what: 'bonami ls',
      measured: 'ms, nothing runs',
      bonami: median(ls),
      reference: median(node),
      against: 'node -e 0',
      samples: ls,
    });
    const cold = [await untilQemu(cloud)];
    // The first instance keeps namespace, DHCP and agent up: the next ones find them warm.
    const [first = ''] = (await cloud.ls()).flatMap(({ InstanceId }) => InstanceId ?? []);
    await cloud.bonami('wait', first, '--for', 'ssh');
    const warm = [];
    for (let round = 0; round < QUICK_ROUNDS; round += 1) {
      warm.push(await untilQemu(cloud));
      const ids = (await cloud.ls()).flatMap(({ InstanceId }) => InstanceId ?? []);
      await cloud.bonami('terminate', ...ids.filter((id) => id !== first));
      // A guest that still boots, or an agent that tidies up, would be measured too.
      await sleep(2_000);
    }
    rows.push(
      {
        what: 'command to QEMU, cold',
        measured: 'ms, makes VPC network and agent',
        bonami: median(cold),
        reference: median(node),
        against: 'node -e 0',
        samples: cold,
      },
      {
        what: 'command to QEMU, warm',
        measured: 'ms',
        bonami: median(warm),
        reference: median(node),
        against: 'node -e 0',
        aim: '< 150 ms',
        samples: warm,
      },
      {
        what: 'command to QEMU, warm',
        measured: 'ms',
        bonami: median(warm),
        reference: median(qemu),
        against: 'qemu -version',
        samples: warm,
      },
    );
    const agent = memoryOfAgent(cloud);
    rows.push({ what: 'agent, resident', measured: 'MiB', bonami: agent, aim: '< 90 MiB', samples: [agent] });
  } finally {
    await cloud.close();
  }
}

/** The whole Debian image to SSH and to the end of cloud-init, against plain QEMU with a NoCloud seed. */
async function boot(): Promise<void> {
  const cloud = await openCloud('debian-12');
  const plain: Boot[] = [];
  const ours: Boot[] = [];
  try {
    await cloud.bonami('run', 'debian-12', '--dry-run');
    for (let round = 0; round < ROUNDS; round += 1) {
      plain.push(await bootPlain(cloud));
      ours.push(await bootOurs(cloud));
      note(`round ${round + 1}: plain ${said(plain.at(-1))}, bonami ${said(ours.at(-1))}`);
    }
  } finally {
    await cloud.close();
  }
  for (const key of ['ssh', 'done'] as const)
    rows.push({
      what: `debian-12 to ${key === 'ssh' ? 'SSH' : 'cloud-init done'}`,
      measured: 'ms',
      bonami: median(ours.map((each) => each[key])),
      reference: median(plain.map((each) => each[key])),
      against: 'plain QEMU',
      aim: 'ratio <= 1.0',
      samples: ours.map((each) => each[key]),
    });
}

/** Ten machines at once. */
async function ten(): Promise<void> {
  const cloud = await openCloud('tiny');
  try {
    const [all = 0] = await times(1, () =>
      cloud.bonami('run', 'tiny', '-c', '10', '-t', 't3.nano', '--wait', 'ssh'),
    );
    const ls = await times(QUICK_ROUNDS, () => cloud.bonami('ls'));
    const agent = memoryOfAgent(cloud);
    rows.push(
      { what: 'ten tiny instances to SSH', measured: 'ms', bonami: Math.round(all), samples: [all] },
      { what: 'bonami ls of ten', measured: 'ms', bonami: median(ls), aim: '< 300 ms', samples: ls },
      { what: 'agent with ten, resident', measured: 'MiB', bonami: agent, aim: '< 90 MiB', samples: [agent] },
    );
  } finally {
    await cloud.close();
  }
}

interface Boot {
  readonly ssh: number;
  readonly done: number;
}

/** What a person would type without bonami: an overlay, a seed disk, user-mode network with one forwarded port. */
async function bootPlain(cloud: Cloud): Promise<Boot> {
  const folder = mkdtempSync(join(tmpdir(), 'bonami-bench-'));
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const file = (name: string): string => join(folder, name);
  copyFileSync(cachedImage('debian-12'), file('base.qcow2'));
  writeFileSync(file('meta-data'), 'instance-id: iid-bench\nlocal-hostname: bench\n');
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file('key')]);
  writeFileSync(
    file('user-data'),
    `#cloud-config\nssh_authorized_keys: ["${readFileSync(file('key.pub'), 'utf8').trim()}"]\n`,
  );
  const began = performance.now();
  await execa('mformat', ['-i', file('seed.img'), '-C', '-T', '720', '-v', 'CIDATA', '::']);
  await execa('mcopy', ['-i', file('seed.img'), file('meta-data'), file('user-data'), '::']);
  await execa('qemu-img', [
    'create',
    '-q',
    '-f',
    'qcow2',
    '-b',
    'base.qcow2',
    '-F',
    'qcow2',
    file('disk.qcow2'),
    '8G',
  ]);
  const qemu = execa(
    'qemu-system-x86_64',
    [
      `-machine q35 -accel ${await acceleratorOf(cloud)} -cpu max -smp 2 -m 1024 -display none`,
      `-drive file=${file('disk.qcow2')},if=virtio,format=qcow2`,
      `-drive file=${file('seed.img')},if=virtio,format=raw`,
      `-nic user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:${port}-:22`,
      `-serial file:${file('console')}`,
    ]
      .join(' ')
      .split(' '),
    { reject: false },
  );
  try {
    return await milestones(began, { host: '127.0.0.1', port, console: file('console') });
  } finally {
    qemu.kill('SIGKILL');
    await qemu;
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What bonami itself uses on this host. */
async function acceleratorOf({ layout }: Cloud): Promise<string> {
  const question = {
    architecture: 'x86_64',
    binary: 'qemu-system-x86_64',
    knownFacts: layout.knownFacts,
  } as const;
  return (await probeAccelerator({ ...question, hostArchitecture: hostArchitecture() })).accelerator;
}

async function bootOurs(cloud: Cloud): Promise<Boot> {
  const began = performance.now();
  const [instance] = await cloud.run('debian-12', '--wait', 'none');
  const id = instance?.InstanceId as `i-${string}`;
  try {
    return await milestones(began, {
      host: instance?.PrivateIpAddress ?? '',
      port: 22,
      console: cloud.layout.instance(id).console,
    });
  } finally {
    await cloud.bonami('terminate', id);
  }
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly console: string;
}

/** The same yardstick for both: an SSH banner, and cloud-init's last line on the console. */
async function milestones(began: number, { host, port, console: path }: Target): Promise<Boot> {
  let ssh: number | undefined;
  const sockets = new Set<Socket>();
  for (let round = 0; ; round += 1) {
    // A new try every quarter of a second, whatever became of the earlier ones: user-mode networking accepts
    // connections long before the guest does, and an emulated server thinks before it greets.
    if (ssh === undefined && round % 5 === 0)
      greeting(host, port, sockets, () => {
        ssh ??= performance.now() - began;
        for (const socket of sockets) socket.destroy();
      });
    const isDone = existsSync(path) && /Cloud-init v\. \S+ finished at/.test(readFileSync(path, 'latin1'));
    if (isDone && ssh !== undefined) return { ssh, done: performance.now() - began };
    if (performance.now() - began > 240_000) throw new Error(`no boot within four minutes; see ${path}`);
    await sleep(50);
  }
}

function greeting(host: string, port: number, sockets: Set<Socket>, onBanner: () => void): void {
  const socket = connect({ host, port });
  sockets.add(socket);
  socket.setTimeout(10_000, () => socket.destroy());
  socket.on('error', () => undefined);
  socket.on('close', () => sockets.delete(socket));
  socket.on('data', (bytes) => {
    if (bytes.toString('latin1').startsWith('SSH-')) onBanner();
  });
}

/** Milliseconds from the start of `bonami run` until QEMU executes (its name in /proc, looked at every five milliseconds). */
async function untilQemu(cloud: Cloud): Promise<number> {
  const known = new Set(readdirSync('/proc'));
  const began = performance.now();
  const child = execa(process.execPath, [PROGRAM, 'run', 'tiny', '-t', 't3.nano', '--wait', 'none'], {
    env: { BONAMI_HOME: cloud.home, BONAMI_INTERNET: 'off' },
  });
  let found: number | undefined;
  while (found === undefined && child.exitCode === null) {
    for (const pid of readdirSync('/proc')) {
      if (known.has(pid) || !/^\d+$/.test(pid)) continue;
      if (nameOf(pid).startsWith('qemu-system')) found = performance.now() - began;
    }
    await sleep(5);
  }
  await child;
  if (found === undefined) throw new Error('QEMU was never seen');
  return found;
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8');
  } catch {
    return '';
  }
}

function memoryOfAgent(cloud: Cloud): number {
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('dist/agent.js')) continue;
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`BONAMI_HOME=${cloud.home}\0`)) continue;
      return Math.round(
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024,
      );
    } catch {
      continue;
    }
  }
  throw new Error('the agent was never seen');
}

function said(one: Boot | undefined): string {
  return one === undefined
    ? ''
    : `ssh ${(one.ssh / 1000).toFixed(1)} s, done ${(one.done / 1000).toFixed(1)} s`;
}

function report(): void {
  const folder = join(import.meta.dirname, '../.bench');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${new Date().toISOString().replaceAll(':', '-')}.json`);
  const host = { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release(), node: process.version };
  writeFileSync(path, `${JSON.stringify({ host, rows }, null, 2)}\n`);
  const cells = rows.map((row) => [
    row.what,
    `${row.bonami} ${row.measured}`,
    row.reference === undefined ? '' : `${row.reference} ${row.against}`,
    row.reference === undefined ? '' : (row.bonami / row.reference).toFixed(2),
    row.aim ?? '',
  ]);
  const table = [['WHAT', 'BONAMI', 'REFERENCE', 'RATIO', 'AIM'], ...cells];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  for (const row of table)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  console.log(`\n${path}`);
}
