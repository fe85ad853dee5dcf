// From an interface through a gateway: to anywhere outside, or to an elastic address of another VPC.
import type { Step } from './explanation.ts';
import { drop, pass } from './explanation.ts';
import { aclStep } from './acl-step.ts';
import { atElasticAddress } from './at-elastic-address.ts';
import { isSpeaker, unpluggedStep, type Leg, type Speaker } from './interface-steps.ts';
import { placeText, type Place } from './place.ts';
import { answerTo } from './traffic.ts';
import type { Way } from './way.ts';

type UplinkWay = Extract<Way, { kind: 'uplink' }>;

/** What other VPCs see of a machine without an elastic address: nobody's (host-table.ts). */
const STRANGER = '192.0.0.8';

export function outOfVpc(leg: Leg, way: UplinkWay): readonly Step[] {
  const { from, to, address, traffic } = leg;
  const answer = answerTo(traffic);
  return [
    aclStep(from, { direction: 'out', other: address, traffic, isAnswer: false }),
    gatewayStep(from, way),
    ...beyond(leg, way),
    ...(leads(to)
      ? [aclStep(from, { direction: 'in', other: address, traffic: answer, isAnswer: true })]
      : []),
  ];
}

function gatewayStep(from: Speaker, { route, natAddress }: UplinkWay): Step {
  const source = natAddress ?? from.elastic?.publicIp;
  return pass(
    'gateway',
    `${route.target.id} passes it on with ${source === undefined ? "the host's own address" : `the address ${source}`}`,
  );
}

/** Whether an answer can come from there. */
function leads(to: Place): boolean {
  return to.kind === 'outside' || (isSpeaker(to) && to.named === 'elastic');
}

function beyond({ from, to, address, traffic }: Leg, { natAddress }: UplinkWay): readonly Step[] {
  switch (to.kind) {
    case 'outside':
      return [pass('host', `this host passes it on to ${placeText(to)}`)];
    case 'host':
      return [drop('host', 'this host takes nothing from instances but answers')];
    case 'elastic':
      return [
        drop(
          'destination',
          to.natGatewayId === undefined
            ? `${placeText(to)} is associated with nothing`
            : `${placeText(to)} is of ${to.natGatewayId}, which takes answers only`,
        ),
      ];
    case 'interface':
      if (to.named === 'elastic' && !isSpeaker(to)) return [unpluggedStep(to, 'destination')];
      if (to.named === 'elastic' && isSpeaker(to)) {
        const source = natAddress ?? from.elastic?.carrierIp ?? STRANGER;
        return atElasticAddress(to, { source, from, traffic });
      }
      return [otherVpc(from, to.records.vpc.vpcId, address)];
    case 'nobody':
    case 'service':
      return [otherVpc(from, to.records.vpc.vpcId, address)];
    case 'gone':
      return [unpluggedStep(to, 'destination')];
  }
}

function otherVpc({ records }: Speaker, vpcId: string, address: string): Step {
  const peering = records.peerings.find(({ peer }) => peer.vpcId === vpcId);
  return drop(
    'host',
    `${address} is a private address of ${vpcId}, which is reached by a peering only`,
    peering === undefined
      ? `bonami peering create ${records.vpc.vpcId} ${vpcId}`
      : `bonami route add ${records.vpc.vpcId} ${peering.peer.cidrBlock} ${peering.connection.vpcPeeringConnectionId}`,
  );
}
