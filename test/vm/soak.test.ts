// Many hands at once, some of them cut off: what was said to be done is done, and nothing else is left.
import { execa } from 'execa';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { openCloud, PROGRAM, type Cloud } from '../support/cloud.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';
import { generator } from '../support/random.ts';

const HANDS = 4;
const OPERATIONS = 200;
/** One in so many is cut off. */
const CUT = 3;
const SEED = Number(process.env['BONAMI_SEED'] ?? 20_261_126);

let before: Snapshot;
let cloud: Cloud;
beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny');
});
afterAll(async () => {
  await cloud.close();
  await expectNoLeaks(before, { home: cloud.home });
});

interface Made {
  readonly kind: 'vpc' | 'subnet' | 'sg' | 'eni' | 'eip' | 'instance';
  readonly id: string;
  readonly vpc: string;
}

/** What is there for certain: it was said to be made, and nobody has tried to take it away. */
const made = new Map<string, Made>();
let octet = 0;

interface Outcome {
  readonly isDone: boolean;
  readonly said: string;
}

async function act(args: readonly string[], random: () => number): Promise<Outcome> {
  const child = execa(process.execPath, [PROGRAM, ...args, '--json'], {
    reject: false,
    stdin: 'ignore',
    env: { BONAMI_HOME: cloud.home, BONAMI_INTERNET: 'off' },
  });
  const isCut = random() < 1 / CUT;
  const timer = isCut ? setTimeout(() => child.kill('SIGKILL'), random() * 700) : undefined;
  const { exitCode, stdout, stderr } = await child;
  clearTimeout(timer);
  if (exitCode !== 0 && !isCut && !EXPECTED.test(stderr))
    throw new Error(`bonami ${args.join(' ')}: ${stderr}`);
  return { isDone: exitCode === 0, said: stdout };
}

/** What may be answered when another hand was quicker. */
const EXPECTED =
  /DependencyViolation|NotFound|InUse|Conflict|Duplicate|IncorrectInstanceState|does not exist|Already|has no free|ResourceBusy|is terminated|is shutting-down|is stopped|is pending|Gateway.NotAttached/;

function pick<T>(all: readonly T[], random: () => number): T | undefined {
  return all[Math.floor(random() * all.length)];
}

function some(kind: Made['kind'], random: () => number): Made | undefined {
  return pick(
    [...made.values()].filter((each) => each.kind === kind),
    random,
  );
}

/** Makes something, and remembers it when it was said to be there. */
async function make(
  kind: Made['kind'],
  args: readonly string[],
  { random, idOf, vpc = '' }: { random: () => number; idOf: (said: never) => string; vpc?: string },
): Promise<void> {
  const { isDone, said } = await act(args, random);
  if (!isDone) return;
  const id = idOf(JSON.parse(said) as never);
  made.set(id, { kind, id, vpc });
}

async function step(random: () => number): Promise<void> {
  const vpc = some('vpc', random);
  const subnet = some('subnet', random);
  const group = some('sg', random);
  const eni = some('eni', random);
  const chance = random();
  if (vpc === undefined || chance < 0.12)
    return make('vpc', ['vpc', 'create', `10.${octet++ % 200}.0.0/16`], {
      random,
      idOf: ({ Vpc }: { Vpc: { VpcId: string } }) => Vpc.VpcId,
    });
  if (subnet === undefined || chance < 0.24) {
    const third = Math.floor(random() * 250);
    const { Vpcs } = await cloud.json<{ Vpcs: { VpcId: string; CidrBlock: string }[] }>('vpc', 'ls');
    const block = Vpcs.find(({ VpcId }) => VpcId === vpc.id)?.CidrBlock.replace(/0\.0\/16$/, `${third}.0/24`);
    return make('subnet', ['subnet', 'create', vpc.id, block ?? '10.0.0.0/24'], {
      random,
      vpc: vpc.id,
      idOf: ({ Subnet }: { Subnet: { SubnetId: string } }) => Subnet.SubnetId,
    });
  }
  if (group === undefined || chance < 0.34)
    return make('sg', ['sg', 'create', `group-${octet++}`, '--vpc', vpc.id], {
      random,
      vpc: vpc.id,
      idOf: ({ GroupId }: { GroupId: string }) => GroupId,
    });
  if (chance < 0.44)
    return void (await act(['sg', 'authorize', group.id, '-p', String(1000 + octet++)], random));
  if (chance < 0.54)
    return make('eni', ['eni', 'create', subnet.id], {
      random,
      vpc: subnet.vpc,
      idOf: (said: { NetworkInterface: { NetworkInterfaceId: string } }) =>
        said.NetworkInterface.NetworkInterfaceId,
    });
  if (chance < 0.6)
    return make('eip', ['eip', 'allocate'], {
      random,
      idOf: ({ AllocationId }: { AllocationId: string }) => AllocationId,
    });
  if (chance < 0.68)
    return make('instance', ['run', 'tiny', '-t', 't3.nano', '--subnet', subnet.id, '--wait', 'none'], {
      random,
      vpc: subnet.vpc,
      idOf: ({ Instances }: { Instances: { InstanceId: string }[] }) => Instances[0]?.InstanceId ?? '',
    });
  const instance = some('instance', random);
  if (chance < 0.74 && instance !== undefined && eni !== undefined && eni.vpc === instance.vpc)
    return void (await act(['eni', 'attach', eni.id, instance.id], random));
  return take(pick([instance, eni, group, subnet, vpc, some('eip', random)].filter(isThere), random), random);
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** Takes something away; from then on it may be there or not. */
async function take(each: Made | undefined, random: () => number): Promise<void> {
  if (each === undefined) return;
  const words: Record<Made['kind'], readonly string[]> = {
    vpc: ['vpc', 'rm'],
    subnet: ['subnet', 'rm'],
    sg: ['sg', 'rm'],
    eni: ['eni', 'rm'],
    eip: ['eip', 'release'],
    instance: ['terminate'],
  };
  made.delete(each.id);
  await act([...words[each.kind], each.id], random);
}

test(`${OPERATIONS} operations by ${HANDS} hands, a third of them cut off, lose nothing and leave nothing`, async () => {
  let left = OPERATIONS;
  const hand = async (index: number): Promise<void> => {
    const random = generator(SEED + index);
    while (left-- > 0) await step(random);
  };
  const hands = await Promise.allSettled(Array.from({ length: HANDS }, async (_, index) => hand(index)));
  expect(hands.filter(({ status }) => status === 'rejected')).toEqual([]);
  // What was cut off is settled by whoever comes next.
  await sleep(500);
  await cloud.bonami('doctor', '--fix');
  await expectSound();

  const listed = await everything();
  expect([...made.keys()].filter((id) => !listed.has(id))).toEqual([]);
  await removeAll(listed);
  await expectSound();
  const tail = await everything();
  expect([...tail].filter((id) => /^(i|eni|eipalloc)-/.test(id))).toEqual([]);
}, 400_000);

/** Records among each other, and with the kernel, both ways. */
async function expectSound(): Promise<void> {
  const db = openDatabase(cloud.layout.database);
  try {
    expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    expect(db.prepare('PRAGMA foreign_key_check').all()).toEqual([]);
  } finally {
    db.close();
  }
  const { stdout } = await cloud.try(['doctor']);
  const faults = stdout
    .split('\n')
    .filter((line) => /(records|networks|leftovers):/.test(line) && !line.startsWith('✓'));
  expect(faults).toEqual([]);
}

async function everything(): Promise<ReadonlySet<string>> {
  const found: string[] = [];
  for (const noun of ['vpc', 'subnet', 'sg', 'eni', 'eip'])
    found.push(...((await cloud.bonami(noun, 'ls', '--json')).match(/"[a-z]+-[0-9a-f]{17}"/g) ?? []));
  const instances = (await cloud.ls()).flatMap(({ InstanceId }) => InstanceId ?? []);
  return new Set([...found.map((text) => text.slice(1, -1)), ...instances]);
}

/** In the order of what depends on what; default groups, tables and the default VPC stay or go with their VPCs. */
async function removeAll(listed: ReadonlySet<string>): Promise<void> {
  const ids = (prefix: string): string[] => [...listed].filter((id) => id.startsWith(prefix));
  const instances = ids('i-');
  if (instances.length > 0) await cloud.bonami('terminate', ...instances);
  for (const id of ids('eni-')) await cloud.try(['eni', 'rm', id]);
  for (const id of ids('eipalloc-')) await cloud.bonami('eip', 'release', id);
  for (const id of ids('sg-')) await cloud.try(['sg', 'rm', id]);
  const { Vpcs } = await cloud.json<{ Vpcs: { VpcId: string; IsDefault: boolean }[] }>('vpc', 'ls');
  const usual = new Set(Vpcs.filter(({ IsDefault }) => IsDefault).map(({ VpcId }) => VpcId));
  const { Subnets } = await cloud.json<{ Subnets: { SubnetId: string; VpcId: string }[] }>('subnet', 'ls');
  for (const { SubnetId, VpcId } of Subnets)
    if (!usual.has(VpcId)) await cloud.bonami('subnet', 'rm', SubnetId);
  for (const { VpcId } of Vpcs) if (!usual.has(VpcId)) await cloud.bonami('vpc', 'rm', VpcId);
}
