// From this host, or from outside of it, to a VPC.
import { atElasticAddress, byUplink } from './at-elastic-address.ts';
import { drop, pass, type Step } from './explanation.ts';
import { isSpeaker, unpluggedStep, type Speaker } from './interface-steps.ts';
import { placeText, type HostPlace, type InterfacePlace, type OutsidePlace, type Place } from './place.ts';
import { serviceStep } from './service-step.ts';
import type { Traffic } from './traffic.ts';

export function fromBeyond(from: HostPlace | OutsidePlace, to: Place, traffic: Traffic): readonly Step[] {
  switch (to.kind) {
    case 'interface':
      if (!isSpeaker(to)) return [unpluggedStep(to, 'destination')];
      return from.kind === 'host' ? fromHost(from, to, traffic) : fromOutside(from, to, traffic);
    case 'gone':
      return [unpluggedStep(to, 'destination')];
    case 'elastic':
      return [drop('destination', `${placeText(to)} leads to no instance`)];
    case 'service':
    case 'nobody':
      return from.kind === 'host' ? hostToRouter(from, to, traffic) : [drop('gateway', privateOnly(to))];
    case 'host':
    case 'outside':
      return [drop('destination', `${placeText(to)} is in no VPC`)];
  }
}

function privateOnly(to: Place): string {
  return `nobody outside knows the way to the private address of ${placeText(to)}`;
}

function hostToRouter(
  from: HostPlace,
  to: Extract<Place, { kind: 'service' | 'nobody' }>,
  traffic: Traffic,
): readonly Step[] {
  const isIpv6 = traffic.family === 6;
  if (isIpv6 || !from.reachesPrivate)
    return [unreachable(to.records.vpc.vpcId, { isIpv6, instanceId: undefined })];
  if (to.kind === 'nobody')
    return [drop('destination', `no interface of ${to.records.vpc.vpcId} has ${to.address}`)];
  return [serviceStep(to, { traffic, isOwn: false })];
}

function fromHost(from: HostPlace, to: Speaker, traffic: Traffic): readonly Step[] {
  const { elastic, named, records } = to;
  if (named === 'elastic' && elastic !== undefined) {
    if (!from.reachesElastic)
      return [drop('host', `without root this host has no way to ${elastic.publicIp}`, sshTo(to))];
    // Whoever calls an address of its own does so with that address.
    const source = elastic.reach === 'own' ? elastic.publicIp : from.address;
    return [
      pass('host', `this host has a route to ${elastic.publicIp}`),
      ...atElasticAddress(to, { source, from, traffic }),
    ];
  }
  const isIpv6 = traffic.family === 6;
  if (isIpv6 || !from.reachesPrivate)
    return [unreachable(records.vpc.vpcId, { isIpv6, instanceId: to.instance?.instanceId })];
  const routed = pass(
    'host',
    `this host has a route to ${records.vpc.cidrBlock}, and is ${from.address} there`,
  );
  return [routed, ...byUplink(to, { source: from.address, from, traffic })];
}

interface Unreached {
  readonly isIpv6: boolean;
  readonly instanceId: string | undefined;
}

function unreachable(vpcId: string, { isIpv6, instanceId }: Unreached): Step {
  const what = isIpv6 ? 'IPv6 addresses' : 'private addresses';
  return drop(
    'host',
    `this host has no route to the ${what} of ${vpcId}`,
    instanceId === undefined ? undefined : `bonami ssh ${instanceId}`,
  );
}

function sshTo({ instance }: InterfacePlace): string | undefined {
  return instance === undefined ? undefined : `bonami ssh ${instance.instanceId}`;
}

function fromOutside(from: OutsidePlace, to: Speaker, traffic: Traffic): readonly Step[] {
  const { elastic, networkInterface, named } = to;
  if (elastic === undefined) {
    const hint = `bonami eip associate ADDRESS ${networkInterface.networkInterfaceId}`;
    return [
      drop(
        'gateway',
        `${privateOnly(to)}: it has no elastic address`,
        traffic.family === 4 ? hint : undefined,
      ),
    ];
  }
  if (named === 'private')
    return [
      drop(
        'gateway',
        `${privateOnly(to)}: it is reached as ${elastic.publicIp}`,
        `bonami sg why ${from.isInternet ? 'internet' : from.address} ${elastic.publicIp}`,
      ),
    ];
  if (elastic.reach === 'host')
    return [
      drop(
        'gateway',
        `${elastic.publicIp} (${elastic.allocationId}) is known on this host only, not on its network`,
        'bonami eip allocate ADDRESS',
      ),
    ];
  const whose = elastic.reach === 'own' ? 'it is its own' : 'it answers for it on its network';
  return [
    pass('gateway', `this host takes what is sent to ${elastic.publicIp}: ${whose}`),
    ...atElasticAddress(to, { source: from.address, from, traffic }),
  ];
}
