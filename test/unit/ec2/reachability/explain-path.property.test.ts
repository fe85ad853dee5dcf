// What is explained against what the kernel is told to do, for networks and questions that nobody has thought of.
import { expect, test } from 'vitest';
import type { Stage } from '../../../../src/ec2/reachability/explanation.ts';
import { interfaceAt } from '../../../../src/store/network-interfaces.ts';
import { KernelModel, OUTSIDE, type Arrival, type Payload } from './kernel-model.ts';
import { EDGES, RandomWorlds, type RandomQuestion, type RandomWorld } from './random-worlds.ts';
import { RecordedWorld, type Machine } from './recorded-world.ts';

const WORLDS = 50;
const QUESTIONS = 40;
const HOST = '169.254.96.5';

/** The packets of some traffic that a rule could tell apart. */
function requests(traffic: string, isIpv6: boolean): readonly Payload[] {
  const [name = '', first, second] = traffic.split('/');
  if (name === 'proto') return [{ protocol: Number(first), state: 'new' }];
  if (name === 'icmp') {
    const type = first === undefined ? (isIpv6 ? 128 : 8) : Number(first);
    const begins = type === 8 || type === 128;
    const protocol = isIpv6 ? 58 : 1;
    return [{ protocol, type, code: Number(second ?? 0), state: begins ? 'new' : 'invalid' }];
  }
  const [from = 0, to = from] = (first ?? '0-65535').split('-').map(Number);
  return portsWithin(from, to).map((port) => ({ protocol: name === 'tcp' ? 6 : 17, port, state: 'new' }));
}

function answers(traffic: string, isIpv6: boolean): readonly Payload[] {
  const [request] = requests(traffic, isIpv6);
  const { protocol = 0 } = request ?? {};
  if (protocol === 1 || protocol === 58)
    return [{ protocol, type: isIpv6 ? 129 : 0, code: 0, state: 'established' }];
  if (protocol !== 6 && protocol !== 17) return [{ protocol, state: 'established' }];
  return portsWithin(32_768, 60_999).map((port) => ({ protocol, port, state: 'established' }));
}

function portsWithin(from: number, to: number): readonly number[] {
  const all = [from, to, ...EDGES.flatMap((edge) => [edge - 1, edge, edge + 1])];
  return [...new Set(all.filter((port) => port >= from && port <= to))];
}

function passes(model: KernelModel, world: RandomWorld, { from, to, traffic }: RandomQuestion): boolean {
  const isIpv6 = to.includes(':') || from.includes(':');
  const elastic = world.elastics.find(({ publicIp }) => publicIp === to);
  // Whoever has it one day, today nobody does.
  if (elastic?.association === null) return false;
  const target = machineAt(world, elastic?.association.privateIpAddress ?? to);
  const sender = machineAt(world, from);
  if (sender !== undefined && sender.instance.state !== 'running') return false;
  const [found, ...others] = requests(traffic, isIpv6).map((payload) =>
    sender === undefined
      ? fromBeyond(model, { from, to, traffic }, { payload, elastic, isIpv6 })
      : model.send(sender.networkInterface, from, to, payload),
  );
  if (found === undefined || others.includes(undefined)) return false;
  return answers(traffic, isIpv6).every((payload) => {
    if (sender === undefined) return found !== OUTSIDE && model.answers(found, payload);
    const returns = (by: string): boolean =>
      model.returns(sender.networkInterface, from, { from: to, by, payload });
    if (found === OUTSIDE) return target === undefined && returns('up0');
    if (found.networkInterface.networkInterfaceId !== target?.networkInterface.networkInterfaceId)
      return isForwarded(found, sender, to);
    return model.answers(found, payload) && (found.by.startsWith('snt') || returns(found.by));
  });
}

/** A machine that forwards is where an explanation ends. */
function isForwarded({ networkInterface }: Arrival, sender: Machine, to: string): boolean {
  const isOwn = networkInterface.privateIpAddress === to;
  const isBack = networkInterface.networkInterfaceId === sender.networkInterface.networkInterfaceId;
  return !isOwn && !isBack && !networkInterface.sourceDestCheck;
}

interface Beyond {
  readonly payload: Payload;
  readonly elastic: RandomWorld['elastics'][number] | undefined;
  readonly isIpv6: boolean;
}

function fromBeyond(
  model: KernelModel,
  { from, to }: RandomQuestion,
  { payload, elastic, isIpv6 }: Beyond,
): Arrival | undefined {
  if (isIpv6 || (from !== 'host' && (elastic === undefined || elastic.reach === 'host'))) return undefined;
  const source = from !== 'host' ? from : elastic?.reach === 'own' ? elastic.publicIp : HOST;
  return model.sendFromBeyond(source, to, payload);
}

function machineAt({ machines }: RandomWorld, address: string): Machine | undefined {
  return machines.find(
    ({ networkInterface: { privateIpAddress, secondaryPrivateIpAddresses, ipv6Addresses } }) =>
      [privateIpAddress, ...secondaryPrivateIpAddresses, ...ipv6Addresses].includes(address),
  );
}

test('what is explained is what the kernel is told', () => {
  const wrong: unknown[] = [];
  const droppedAt = new Map<Stage, number>();
  let [allowed, asked] = [0, 0];
  for (let seed = 1; seed <= WORLDS; seed++) {
    using world = new RecordedWorld();
    const random = new RandomWorlds(seed);
    const sample = random.build(world);
    const model = new KernelModel(world.db);
    for (let count = 0; count < QUESTIONS; count++) {
      const question = random.question(sample);
      if (!isAskable(world, sample, question)) continue;
      const { from, to, traffic } = question;
      const { verdict, droppedBy, steps } = world.why(from, to, traffic);
      asked++;
      if (verdict === 'allowed') allowed++;
      if (droppedBy !== undefined) droppedAt.set(droppedBy.stage, (droppedAt.get(droppedBy.stage) ?? 0) + 1);
      const expected = passes(model, sample, question) ? 'allowed' : 'dropped';
      if (verdict !== expected) wrong.push({ seed, question, expected, steps });
    }
  }
  expect(wrong.slice(0, 3)).toEqual([]);
  // Were all dropped, or all at one place, the comparison would say little.
  expect(allowed).toBeGreaterThan(asked * 0.1);
  expect([...droppedAt.keys()].toSorted()).toEqual(
    expect.arrayContaining([
      'acl-in',
      'acl-out',
      'answer-acl-in',
      'answer-acl-out',
      'answer-route',
      'destination',
      'egress',
      'forwarding',
      'gateway',
      'host',
      'ingress',
      'interface',
      'route',
      'tracking',
    ] satisfies Stage[]),
  );
});

/** Not about one machine alone, and not about two families. */
function isAskable(
  world: RecordedWorld,
  sample: RandomWorld,
  { from, to, traffic }: RandomQuestion,
): boolean {
  const isIpv6 = to.includes(':');
  if (from !== 'host' && from.includes(':') !== isIpv6) return false;
  if (isIpv6 && traffic.startsWith('icmp/')) return false;
  const [sender, target] = [machineAt(sample, from), machineAt(sample, to)];
  const isInVpc =
    sender !== undefined || target !== undefined || to.startsWith('203.') || nobodyAt(world, to);
  return isInVpc && (sender === undefined || sender !== target);
}

function nobodyAt(world: RecordedWorld, address: string): boolean {
  return (
    address.startsWith('10.') &&
    world.vpcIds().every((vpcId) => interfaceAt(world.db, vpcId, address) === undefined)
  );
}
