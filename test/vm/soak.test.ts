// Many hands at once, some of them cut off: what was said to be done is done, and nothing else is left.
import { execa } from 'execa';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { waitUntil } from '../../src/host/wait-until.ts';
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

/** What may be answered when another hand was quicker, or where there is no room for what was asked. */
const EXPECTED: ReadonlySet<string> = new Set([
  'AttachmentLimitExceeded',
  'DependencyViolation',
  'IncorrectInstanceState',
  'InvalidAllocationID.NotFound',
  'InvalidGroup.NotFound',
  'InvalidInstanceID.NotFound',
  'InvalidNetworkInterface.InUse',
  'InvalidNetworkInterfaceID.NotFound',
  'InvalidSubnet.Conflict',
  'InvalidSubnetID.NotFound',
  'InvalidVpcID.NotFound',
]);
/** EC2 has no code of its own for an interface that is attached (AWS: `DeleteNetworkInterface`). */
const ATTACHED = /^error: InvalidParameterValue: Network interface '[^']+' is currently in use/m;

interface Outcome {
  readonly isDone: boolean;
  readonly said: string;
}

/** One of those who work at the same time. */
class Hand {
  readonly random: () => number;
  /** Each operation, and what became of it. */
  readonly log: string[] = [];
  /** Process groups of those that were cut off: what they had started may take a moment longer. */
  readonly cut: number[] = [];

  constructor(seed: number) {
    this.random = generator(seed);
  }

  async act(...args: readonly string[]): Promise<Outcome> {
    const began = performance.now();
    const child = execa(process.execPath, [PROGRAM, ...args, '--json'], {
      reject: false,
      stdin: 'ignore',
      detached: true,
      env: { BONAMI_HOME: cloud.home, BONAMI_INTERNET: 'off' },
    });
    const isCut = this.random() < 1 / CUT;
    const timer = isCut ? setTimeout(() => child.kill('SIGKILL'), this.random() * 700) : undefined;
    const { exitCode, signal, stdout, stderr } = await child;
    clearTimeout(timer);
    if (signal === 'SIGKILL' && child.pid !== undefined) this.cut.push(child.pid);
    const code = /^error: ([A-Za-z.]+): /m.exec(stderr)?.[1];
    const end = signal === undefined ? (code ?? `exit ${exitCode}`) : 'cut off';
    this.log.push(`${seconds(began)} to ${seconds()}  ${args.join(' ')}: ${end}`);
    const isExpected = EXPECTED.has(code ?? '') || ATTACHED.test(stderr);
    if (exitCode !== 0 && signal !== 'SIGKILL' && !isExpected)
      throw new Error(`bonami ${args.join(' ')}: ${stderr}`);
    return { isDone: exitCode === 0, said: stdout };
  }
}

/** Since this process began. */
function seconds(moment = performance.now()): string {
  return `${(moment / 1000).toFixed(1)} s`;
}

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
  { hand, idOf, vpc = '' }: { hand: Hand; idOf: (said: never) => string; vpc?: string },
): Promise<void> {
  const { isDone, said } = await hand.act(...args);
  if (!isDone) return;
  const id = idOf(JSON.parse(said) as never);
  made.set(id, { kind, id, vpc });
}

async function step(hand: Hand): Promise<void> {
  const { random } = hand;
  const vpc = some('vpc', random);
  const subnet = some('subnet', random);
  const group = some('sg', random);
  const eni = some('eni', random);
  const chance = random();
  if (vpc === undefined || chance < 0.12)
    return make('vpc', ['vpc', 'create', `10.${octet++ % 200}.0.0/16`], {
      hand,
      idOf: ({ Vpc }: { Vpc: { VpcId: string } }) => Vpc.VpcId,
    });
  if (subnet === undefined || chance < 0.24) {
    const third = Math.floor(random() * 250);
    const { Vpcs } = await cloud.json<{ Vpcs: { VpcId: string; CidrBlock: string }[] }>('vpc', 'ls');
    const block = Vpcs.find(({ VpcId }) => VpcId === vpc.id)?.CidrBlock.replace(/0\.0\/16$/, `${third}.0/24`);
    return make('subnet', ['subnet', 'create', vpc.id, block ?? '10.0.0.0/24'], {
      hand,
      vpc: vpc.id,
      idOf: ({ Subnet }: { Subnet: { SubnetId: string } }) => Subnet.SubnetId,
    });
  }
  if (group === undefined || chance < 0.34)
    return make('sg', ['sg', 'create', `group-${octet++}`, '--vpc', vpc.id], {
      hand,
      vpc: vpc.id,
      idOf: ({ GroupId }: { GroupId: string }) => GroupId,
    });
  if (chance < 0.44) return void (await hand.act('sg', 'authorize', group.id, '-p', String(1000 + octet++)));
  if (chance < 0.54)
    return make('eni', ['eni', 'create', subnet.id], {
      hand,
      vpc: subnet.vpc,
      idOf: (said: { NetworkInterface: { NetworkInterfaceId: string } }) =>
        said.NetworkInterface.NetworkInterfaceId,
    });
  if (chance < 0.6)
    return make('eip', ['eip', 'allocate'], {
      hand,
      idOf: ({ AllocationId }: { AllocationId: string }) => AllocationId,
    });
  if (chance < 0.64)
    return make('instance', ['run', 'tiny', '-t', 't3.nano', '--subnet', subnet.id, '--wait', 'none'], {
      hand,
      vpc: subnet.vpc,
      idOf: ({ Instances }: { Instances: { InstanceId: string }[] }) => Instances[0]?.InstanceId ?? '',
    });
  const instance = some('instance', random);
  if (chance < 0.7 && instance !== undefined && eni !== undefined && eni.vpc === instance.vpc)
    return void (await hand.act('eni', 'attach', eni.id, instance.id));
  return take(pick([instance, eni, group, subnet, vpc, some('eip', random)].filter(isThere), random), hand);
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** Takes something away; from then on it may be there or not. */
async function take(each: Made | undefined, hand: Hand): Promise<void> {
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
  await hand.act(...words[each.kind], each.id);
}

test(`${OPERATIONS} operations by ${HANDS} hands, a third of them cut off, lose nothing and leave nothing`, async () => {
  const hands = Array.from({ length: HANDS }, (_, index) => new Hand(SEED + index));
  onTestFailed(() => {
    for (const [index, { log }] of hands.entries())
      process.stderr.write(`hand ${index} (seed ${SEED + index}):\n  ${log.join('\n  ')}\n`);
  });
  let left = OPERATIONS;
  const worked = await Promise.allSettled(
    hands.map(async (hand) => {
      while (left-- > 0) await step(hand);
    }),
  );
  expect(worked.filter(({ status }) => status === 'rejected')).toEqual([]);
  const cut = hands.flatMap((hand) => hand.cut);
  expect(await waitUntil(() => (cut.some(hasMembers) ? undefined : true), { timeoutMs: 10_000 })).toBe(true);
  // What was cut off is settled by whoever comes next.
  await cloud.bonami('doctor', '--fix');
  await expectSound();

  const listed = await everything();
  expect([...made.keys()].filter((id) => !listed.has(id))).toEqual([]);
  await removeAll();
  await expectSound();
  expect([...(await everything())]).toEqual([]);
}, 400_000);

/** Whether a process of this group is left. */
function hasMembers(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
}

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

/** The ids of all that there is, but for the default VPC and default groups, which come and go by themselves. */
async function everything(): Promise<ReadonlySet<string>> {
  const { Vpcs } = await cloud.json<{ Vpcs: { VpcId: string; IsDefault: boolean }[] }>('vpc', 'ls');
  const own = new Set(Vpcs.flatMap(({ VpcId, IsDefault }) => (IsDefault ? [] : [VpcId])));
  const { Subnets } = await cloud.json<{ Subnets: { SubnetId: string; VpcId: string }[] }>('subnet', 'ls');
  const { SecurityGroups } = await cloud.json<{
    SecurityGroups: { GroupId: string; GroupName: string }[];
  }>('sg', 'ls');
  const { NetworkInterfaces } = await cloud.json<{
    NetworkInterfaces: { NetworkInterfaceId: string }[];
  }>('eni', 'ls');
  const { Addresses } = await cloud.json<{ Addresses: { AllocationId: string }[] }>('eip', 'ls');
  return new Set([
    ...own,
    ...Subnets.filter(({ VpcId }) => own.has(VpcId)).map(({ SubnetId }) => SubnetId),
    ...SecurityGroups.filter(({ GroupName }) => GroupName !== 'default').map(({ GroupId }) => GroupId),
    ...NetworkInterfaces.map(({ NetworkInterfaceId }) => NetworkInterfaceId),
    ...Addresses.map(({ AllocationId }) => AllocationId),
    ...(await cloud.ls()).flatMap(({ InstanceId }) => InstanceId ?? []),
  ]);
}

/** In the order of what depends on what; what goes with something else is asked for anew. */
async function removeAll(): Promise<void> {
  const ids = async (prefix: string): Promise<readonly string[]> =>
    [...(await everything())].filter((id) => id.startsWith(prefix));
  const instances = await ids('i-');
  if (instances.length > 0) await cloud.bonami('terminate', ...instances);
  for (const [prefix, ...words] of [
    ['eni-', 'eni', 'rm'],
    ['eipalloc-', 'eip', 'release'],
    ['sg-', 'sg', 'rm'],
    ['subnet-', 'subnet', 'rm'],
    ['vpc-', 'vpc', 'rm'],
  ] as const)
    for (const id of await ids(prefix)) await cloud.bonami(...words, id);
}
