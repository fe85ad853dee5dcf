// From one interface to another of the same VPC.
import { addressesOf } from '../../store/network-interfaces.ts';
import { aclStep } from './acl-step.ts';
import { drop, type Step } from './explanation.ts';
import { groupStep } from './group-step.ts';
import { isSpeaker, unpluggedStep, type Leg, type Speaker } from './interface-steps.ts';
import { answerTo } from './traffic.ts';
import { LINK_LOCAL, type Way } from './way.ts';

export function withinVpc(
  { from, to, address, traffic }: Leg,
  { block }: Extract<Way, { kind: 'local' }>,
): readonly Step[] {
  if (to.kind === 'host') return [drop('host', 'this host takes nothing from instances but answers')];
  if (block === LINK_LOCAL) return [drop('destination', `nobody answers at ${address}`)];
  const { vpc, plugged } = from.records;
  const isHere = 'records' in to && to.records.vpc.vpcId === vpc.vpcId;
  if (!isHere) {
    const holder = plugged.find(({ networkInterface }) => addressesOf(networkInterface).includes(address));
    const reached =
      holder === undefined ? '' : `: it reaches ${holder.networkInterface.networkInterfaceId} instead`;
    return [
      drop(
        'destination',
        `${address} is in ${vpc.vpcId}'s own block ${block}, so it leaves for no other${reached}`,
      ),
    ];
  }
  if (to.kind !== 'interface') return [drop('destination', `no interface of ${vpc.vpcId} has ${address}`)];
  if (!isSpeaker(to)) return [unpluggedStep(to, 'destination')];
  return [...neighbourSteps(from, to, address, traffic)];
}

function neighbourSteps(
  from: Speaker,
  to: Speaker,
  address: string,
  traffic: Leg['traffic'],
): readonly Step[] {
  const ingress = groupStep(to, { direction: 'ingress', other: from.address, otherPlace: from, traffic });
  // ACLs are at the border of a subnet (AWS: "Network ACLs").
  if (from.subnet.subnetId === to.subnet.subnetId) return [ingress];
  const answer = answerTo(traffic);
  return [
    aclStep(from, { direction: 'out', other: address, traffic, isAnswer: false }),
    aclStep(to, { direction: 'in', other: from.address, traffic, isAnswer: false }),
    ingress,
    aclStep(to, { direction: 'out', other: from.address, traffic: answer, isAnswer: true }),
    aclStep(from, { direction: 'in', other: address, traffic: answer, isAnswer: true }),
  ];
}
