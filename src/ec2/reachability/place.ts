// The ends of a path: what a person names, and what is recorded of it.
import type { Address } from '../../store/addresses.ts';
import type { Instance } from '../../store/instances.ts';
import type { NetworkInterface } from '../../store/network-interfaces.ts';
import type { Subnet } from '../../store/vpcs.ts';
import type { VpcRecords } from '../vpcs/vpc-records.ts';

export type Place =
  | InterfacePlace
  | ElasticPlace
  | NobodyPlace
  | ServicePlace
  | HostPlace
  | OutsidePlace
  | GonePlace;

/** A network interface, with the one of its addresses that is meant. */
export interface InterfacePlace {
  readonly kind: 'interface';
  readonly records: VpcRecords;
  readonly subnet: Subnet;
  readonly networkInterface: NetworkInterface;
  /** Whose it is. */
  readonly instance: Instance | undefined;
  readonly name: string | undefined;
  /** Plugged into the network: its instance runs. */
  readonly isPlugged: boolean;
  /** Undefined when it has none of the family that is asked about. */
  readonly address: string | undefined;
  /** The elastic address that stands for `address`. */
  readonly elastic: Address | undefined;
  /** What it was called: as itself, or by one of its addresses, which is then what packets are sent to. */
  readonly named: 'interface' | 'private' | 'elastic';
}

/** An elastic address that leads to no instance: nobody's, or a NAT gateway's. */
export interface ElasticPlace {
  readonly kind: 'elastic';
  readonly elastic: Address;
  readonly natGatewayId: string | undefined;
}

/** An address of a VPC that no interface has. */
export interface NobodyPlace {
  readonly kind: 'nobody';
  readonly records: VpcRecords;
  readonly address: string;
}

/** What a VPC's router itself answers. */
export interface ServicePlace {
  readonly kind: 'service';
  readonly records: VpcRecords;
  readonly address: string;
  readonly service: 'metadata' | 'resolver' | 'gateway';
}

/** The host that all of this runs on. */
export interface HostPlace {
  readonly kind: 'host';
  /** Its address as VPCs see it. */
  readonly address: string;
  /** Whether it reaches the private addresses of the other end's VPC. */
  readonly reachesPrivate: boolean;
  /** Whether it reaches elastic addresses. */
  readonly reachesElastic: boolean;
}

/** Anywhere else. */
export interface OutsidePlace {
  readonly kind: 'outside';
  readonly address: string;
  /** It stands for any address outside. */
  readonly isInternet: boolean;
}

/** An instance that has no interface any more. */
export interface GonePlace {
  readonly kind: 'gone';
  readonly instance: Instance;
  readonly name: string | undefined;
}

/** Stand for every address outside: nobody has them (RFC 5737, RFC 3849). */
export const INTERNET = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;

/** What a place is called in a sentence. */
export function placeText(place: Place): string {
  switch (place.kind) {
    case 'interface': {
      const { instance, name, networkInterface, address, elastic, named } = place;
      const known = [
        instance === undefined
          ? networkInterface.networkInterfaceId
          : name === undefined
            ? instance.instanceId
            : `${name} (${instance.instanceId})`,
        address ?? networkInterface.privateIpAddress,
      ];
      return `${known.join(' ')}${named === 'elastic' && elastic !== undefined ? ` by ${elastic.publicIp}` : ''}`;
    }
    case 'elastic':
      return `${place.elastic.publicIp} (${place.elastic.allocationId})`;
    case 'nobody':
      return `${place.address} of ${place.records.vpc.vpcId}`;
    case 'service':
      return `${place.address} (${SERVICES[place.service]})`;
    case 'host':
      return `this host (${place.address})`;
    case 'outside':
      return place.isInternet ? `the internet (as ${place.address})` : place.address;
    case 'gone':
      return place.name === undefined
        ? place.instance.instanceId
        : `${place.name} (${place.instance.instanceId})`;
  }
}

export const SERVICES: Readonly<Record<ServicePlace['service'], string>> = {
  metadata: 'instance metadata',
  resolver: "the VPC's resolver",
  gateway: "the subnet's router",
};
