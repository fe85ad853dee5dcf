// From an interface of one VPC to one of a peered VPC.
import { aclStep } from './acl-step.ts';
import { drop, pass, type Step } from './explanation.ts';
import { groupStep } from './group-step.ts';
import { isSpeaker, unpluggedStep, type Leg, type Speaker } from './interface-steps.ts';
import { placeText } from './place.ts';
import { routeStep } from './route-step.ts';
import { answerTo } from './traffic.ts';
import { wayFrom, type Way } from './way.ts';

type PeeringWay = Extract<Way, { kind: 'peering' }>;

/** A peering leads to the other VPC's own addresses and no further (AWS: "Unsupported VPC peering configurations"). */
export function acrossPeering(leg: Leg, way: PeeringWay): readonly Step[] {
  const { from, to, address, traffic } = leg;
  const { connection, peer } = way.peering;
  const out = aclStep(from, { direction: 'out', other: address, traffic, isAnswer: false });
  const id = connection.vpcPeeringConnectionId;
  const isThere = 'records' in to && to.records.vpc.vpcId === peer.vpcId;
  if (!isThere || (to.kind === 'interface' && to.named === 'elastic'))
    return [
      out,
      drop('peering', `${id} leads to ${peer.vpcId} and no further: ${address} is no address of it`),
    ];
  const crossed = pass('peering', `${id} leads to ${peer.vpcId}`);
  if (to.kind === 'service')
    return [out, crossed, drop('service', `${placeText(to)} answers the instances of its own VPC only`)];
  if (to.kind !== 'interface')
    return [out, crossed, drop('destination', `no interface of ${peer.vpcId} has ${address}`)];
  if (!isSpeaker(to)) return [out, crossed, unpluggedStep(to, 'destination')];
  return [out, crossed, ...arrival(leg, to, way)];
}

function arrival({ from, address, traffic }: Leg, to: Speaker, { peering }: PeeringWay): readonly Step[] {
  const answer = answerTo(traffic);
  return [
    aclStep(to, { direction: 'in', other: from.address, traffic, isAnswer: false }),
    groupStep(to, { direction: 'ingress', other: from.address, otherPlace: from, traffic }),
    wayBack(from, to, peering.connection.vpcPeeringConnectionId),
    aclStep(to, { direction: 'out', other: from.address, traffic: answer, isAnswer: true }),
    aclStep(from, { direction: 'in', other: address, traffic: answer, isAnswer: true }),
  ];
}

/** By the same peering, for nothing else leads there. */
function wayBack(from: Speaker, to: Speaker, peeringId: string): Step {
  const { records, subnet } = to;
  const found = wayFrom(records, subnet, from.address);
  const step = routeStep(found, { records, to: from, address: from.address, stage: 'answer-route' });
  const { way } = found;
  if (step.verdict === 'drop') return step;
  const isSame = way.kind === 'peering' && way.peering.connection.vpcPeeringConnectionId === peeringId;
  return isSame ? step : drop('answer-route', `${step.by}, which is not the way back by ${peeringId}`);
}
