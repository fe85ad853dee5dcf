// What a VPC's router answers itself; groups and ACLs do not judge it (AWS: "Security group rules", exempt services).
import { allow, drop, type Step } from './explanation.ts';
import { placeText, type ServicePlace } from './place.ts';
import { trafficText, type Traffic } from './traffic.ts';

export interface Asking {
  readonly traffic: Traffic;
  /** By an instance of the VPC itself, rather than by this host. */
  readonly isOwn: boolean;
}

export function serviceStep(place: ServicePlace, { traffic, isOwn }: Asking): Step {
  const what = isOwn
    ? answered(place, traffic)
    : isPing(traffic) && traffic.family === 4
      ? 'pings'
      : undefined;
  const where = placeText(place);
  if (what !== undefined)
    return allow('service', `${where} always answers ${what}: no group and no ACL judges it`);
  if (isOwn && place.service === 'resolver' && isPort(traffic, [6, 17], 53))
    return drop(
      'service',
      `DNS is off in ${place.records.vpc.vpcId}`,
      `bonami vpc set ${place.records.vpc.vpcId} --dns on`,
    );
  return drop('service', `${where} does not answer ${trafficText(traffic)}: ${OFFERS[place.service]} only`);
}

const OFFERS = {
  metadata: 'HTTP (tcp/80) and pings',
  resolver: 'DNS (udp/53, tcp/53) and pings',
  gateway: 'DHCP (udp/67, udp/547) and pings',
} as const;

function answered({ service, records }: ServicePlace, traffic: Traffic): string | undefined {
  if (isPing(traffic)) return 'pings';
  if (service === 'metadata') return isPort(traffic, [6], 80) ? 'HTTP' : undefined;
  if (service === 'gateway')
    return isPort(traffic, [17], traffic.family === 4 ? 67 : 547) ? 'DHCP' : undefined;
  return isPort(traffic, [6, 17], 53) && records.vpc.enableDnsSupport ? 'DNS' : undefined;
}

function isPing({ family, icmp }: Traffic): boolean {
  return icmp?.type === (family === 4 ? 8 : 128);
}

function isPort({ protocol = -1, ports }: Traffic, protocols: readonly number[], port: number): boolean {
  return protocols.includes(protocol) && ports?.from === port && ports.to === port;
}
