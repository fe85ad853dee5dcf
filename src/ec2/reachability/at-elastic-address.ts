// Arriving by a VPC's uplink: at an elastic address, or from this host at a private one.
import { aclStep } from './acl-step.ts';
import { drop, pass, type Step } from './explanation.ts';
import { groupStep } from './group-step.ts';
import type { Speaker } from './interface-steps.ts';
import type { Place } from './place.ts';
import { routeStep } from './route-step.ts';
import { answerTo, type Traffic } from './traffic.ts';
import { LINK_LOCAL, wayFrom } from './way.ts';

export interface Arriving {
  /** The sender's address as it is seen here. */
  readonly source: string;
  readonly from: Place;
  readonly traffic: Traffic;
}

/** Rules see the private address: it is put in before they are asked. */
export function atElasticAddress(to: Speaker, arriving: Arriving): readonly Step[] {
  const { elastic, address, records } = to;
  const { source } = arriving;
  const seen = source === addressOf(arriving.from) ? '' : `; the sender is seen as ${source}`;
  return [
    pass(
      'translation',
      `${elastic?.publicIp} (${elastic?.allocationId}) is ${address} of ${records.vpc.vpcId}${seen}`,
    ),
    ...byUplink(to, arriving),
  ];
}

export function byUplink(to: Speaker, { source, from, traffic }: Arriving): readonly Step[] {
  return [
    aclStep(to, { direction: 'in', other: source, traffic, isAnswer: false }),
    groupStep(to, { direction: 'ingress', other: source, otherPlace: from, traffic }),
    ...wayBack(to, source),
    aclStep(to, { direction: 'out', other: source, traffic: answerTo(traffic), isAnswer: true }),
  ];
}

/** This host is next to the router; for all others the subnet needs a route out. */
function wayBack(to: Speaker, source: string): readonly Step[] {
  const { records, subnet } = to;
  const found = wayFrom(records, subnet, source);
  const { way } = found;
  if (way.kind === 'local' && way.block === LINK_LOCAL) return [];
  const outside: Place = { kind: 'outside', address: source, isInternet: false };
  const step = routeStep(found, { records, to: outside, address: source, stage: 'answer-route' });
  return [
    step.verdict === 'drop' || way.kind === 'uplink'
      ? step
      : drop('answer-route', `${step.by}, which is not the way back`),
  ];
}

function addressOf(place: Place): string | undefined {
  return 'address' in place ? place.address : undefined;
}
