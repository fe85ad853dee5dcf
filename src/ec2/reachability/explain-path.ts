// Why traffic gets from one place to another, or why not: the way of its first packet and of the answer, as the router
// of the VPC treats them (ruleset.ts, router-spec.ts), told from the records. Pure.
import { drop, pass, type Explanation, type Step } from './explanation.ts';
import { fromBeyond } from './from-beyond.ts';
import { acrossPeering } from './across-peering.ts';
import { groupStep } from './group-step.ts';
import { isSpeaker, unpluggedStep, type Speaker } from './interface-steps.ts';
import { outOfVpc } from './out-of-vpc.ts';
import { placeText, type InterfacePlace, type Place } from './place.ts';
import { routeStep } from './route-step.ts';
import { serviceStep } from './service-step.ts';
import { throughMachine } from './through-machine.ts';
import { beginsConversation, trafficText, type Traffic } from './traffic.ts';
import { wayFrom } from './way.ts';
import { withinVpc } from './within-vpc.ts';

export interface Question {
  readonly from: Place;
  readonly to: Place;
  readonly traffic: Traffic;
}

export function explainPath(question: Question): Explanation {
  const steps = stepsOf(question);
  const droppedBy = steps.find(({ verdict }) => verdict === 'drop');
  return { verdict: droppedBy === undefined ? 'allowed' : 'dropped', droppedBy, steps };
}

function stepsOf({ from, to, traffic }: Question): readonly Step[] {
  switch (from.kind) {
    case 'interface':
      return isSpeaker(from) ? fromInterface(from, to, traffic) : [unpluggedStep(from)];
    case 'host':
    case 'outside':
      return [...trackingSteps(traffic), ...fromBeyond(from, to, traffic)];
    case 'gone':
      return [unpluggedStep(from)];
    case 'nobody':
      return [drop('guard', `no interface has ${from.address}, so nobody may speak with it`)];
    case 'elastic':
      return [drop('guard', `${placeText(from)} belongs to no instance, so nobody speaks with it`)];
    case 'service':
      return [drop('service', `${placeText(from)} answers, and never begins`)];
  }
}

function fromInterface(from: Speaker, to: Place, traffic: Traffic): readonly Step[] {
  if (isSameMachine(from, to))
    return [pass('interface', 'both ends are the same instance: nothing leaves it, and nobody judges it')];
  const head = [guardStep(from), ...trackingSteps(traffic)];
  const isOwn = 'records' in to && to.records.vpc.vpcId === from.records.vpc.vpcId;
  if (to.kind === 'service' && isOwn) return [...head, serviceStep(to, { traffic, isOwn: true })];
  const { address, steps } = destinationOf(from, to);
  if (address === undefined) return [...head, unpluggedStep(to)];
  return [
    ...head,
    ...steps,
    groupStep(from, { direction: 'egress', other: address, otherPlace: to, traffic }),
    ...routed(from, to, { traffic, address }),
  ];
}

function routed(
  from: Speaker,
  to: Place,
  { traffic, address }: { readonly traffic: Traffic; readonly address: string },
): readonly Step[] {
  const { records, subnet } = from;
  const found = wayFrom(records, subnet, address);
  const step = routeStep(found, { records, to, address, stage: 'route' });
  const leg = { from, to, address, traffic };
  const { way } = found;
  switch (way.kind) {
    case 'local':
      return [step, ...withinVpc(leg, way)];
    case 'uplink':
      return [step, ...outOfVpc(leg, way)];
    case 'peering':
      return [step, ...acrossPeering(leg, way)];
    case 'machine':
      return [step, ...throughMachine(leg, way)];
    case 'blackhole':
    case 'none':
      return [step];
  }
}

/** Addresses of one machine never leave it; its elastic one does, for only the router knows it. */
function isSameMachine(from: InterfacePlace, to: Place): boolean {
  if (to.kind !== 'interface' || to.named === 'elastic') return false;
  return from.instance === undefined
    ? from.networkInterface.networkInterfaceId === to.networkInterface.networkInterfaceId
    : from.instance.instanceId === to.instance?.instanceId;
}

function guardStep({ networkInterface, address }: Speaker): Step {
  const check = networkInterface.sourceDestCheck ? 'on' : 'off';
  return pass(
    'guard',
    `${networkInterface.networkInterfaceId} speaks with its own address ${address} (source/dest check ${check})`,
  );
}

/** What belongs to no conversation is dropped by connection tracking, whatever rules say. */
function trackingSteps(traffic: Traffic): readonly Step[] {
  if (beginsConversation(traffic)) return [];
  return [
    drop(
      'tracking',
      `${trafficText(traffic)} begins no conversation: it passes only as a part of one that was allowed`,
    ),
  ];
}

interface Destination {
  /** Where packets go as the sender's router routes them; undefined when there is no such address. */
  readonly address: string | undefined;
  readonly steps: readonly Step[];
}

/** An elastic address of the sender's own VPC is translated before anything is judged. */
function destinationOf(from: InterfacePlace, to: Place): Destination {
  if (to.kind === 'gone') return { address: undefined, steps: [] };
  if (to.kind === 'elastic') return { address: to.elastic.publicIp, steps: [] };
  if (to.kind !== 'interface' || to.named !== 'elastic' || to.elastic === undefined)
    return { address: to.address, steps: [] };
  const { elastic, address, isPlugged, records } = to;
  if (records.vpc.vpcId !== from.records.vpc.vpcId || !isPlugged)
    return { address: elastic.publicIp, steps: [] };
  const by = `${elastic.publicIp} (${elastic.allocationId}) is ${address} in this VPC, and judged as that`;
  return { address, steps: [pass('translation', by)] };
}
