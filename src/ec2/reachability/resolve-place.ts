// The words of a person as the ends of a path.
import { Ec2Error, UsageError } from '../../core/errors.ts';
import { isIdPrefix } from '../../core/ids.ts';
import { blockContains, canonicalAddress, familyOf, type Family } from '../../core/ip.ts';
import { addresses, type Address } from '../../store/addresses.ts';
import type { Db } from '../../store/database.ts';
import { natGateways } from '../../store/gateways.ts';
import { instances, type Instance } from '../../store/instances.ts';
import {
  addressesOf,
  interfaceAt,
  networkInterfaces,
  type NetworkInterface,
} from '../../store/network-interfaces.ts';
import { tagsOf } from '../../store/tags.ts';
import { subnets, vpcs, type Vpc } from '../../store/vpcs.ts';
import { UPLINK_POOL } from '../../host/link/uplink.ts';
import { resolveInstance } from '../instances/resolve-instance.ts';
import { recordOf } from '../resource-kinds.ts';
import { findId, resolveId } from '../resolve-resource.ts';
import { gatewayAddresses } from './gateway-addresses.ts';
import { blocksOf, METADATA_ADDRESS, resolverAddress } from '../vpcs/router-spec.ts';
import { readVpc, type VpcRecords } from '../vpcs/vpc-records.ts';
import { INTERNET, type ElasticPlace, type HostPlace, type InterfacePlace, type Place } from './place.ts';
import { familyOfWord } from './traffic.ts';

export interface Words {
  readonly from: string;
  readonly to: string;
  readonly traffic: string;
  readonly isIpv6: boolean;
}

/** What is known of this host: asked for only when it is an end. */
export type HostFacts = (vpc: Vpc | undefined) => HostPlace;

/** Both ends. Throws `….NotFound` for what does not exist, `UsageError` for words that mean nothing or several things. */
export function resolvePlaces(
  db: Db,
  words: Words,
  host: HostFacts,
): { readonly from: Place; readonly to: Place; readonly family: Family } {
  const [one, other] = [meaningOf(db, words.from), meaningOf(db, words.to)];
  const family = familyAsked(words, [one, other]);
  const finder = new PlaceFinder(db, family);
  const near = (meaning: Meaning): readonly Vpc[] => finder.vpcsOf(meaning);
  const end = (meaning: Meaning, opposite: Meaning): Place => {
    if (meaning.kind === 'host') return host(near(opposite)[0]);
    return finder.place(meaning, near(opposite));
  };
  return { from: end(one, other), to: end(other, one), family };
}

/** A word, read on its own. */
type Meaning =
  | { readonly kind: 'host' }
  | { readonly kind: 'internet' }
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'interface'; readonly networkInterface: NetworkInterface }
  | { readonly kind: 'instance'; readonly instance: Instance };

function meaningOf(db: Db, word: string): Meaning {
  if (meansHost(word)) return { kind: 'host' };
  if (word === 'internet') return { kind: word };
  const address = addressOf(word);
  if (address !== undefined) return { kind: 'address', address };
  if (isIdPrefix('address', word))
    return { kind: 'address', address: recordOf(db, 'address', resolveId(db, 'address', word)).publicIp };
  const eni = isIdPrefix('networkInterface', word) ? resolveId(db, 'networkInterface', word) : undefined;
  if (eni !== undefined)
    return { kind: 'interface', networkInterface: recordOf(db, 'networkInterface', eni) };
  try {
    return { kind: 'instance', instance: resolveInstance(db, word) };
  } catch (error) {
    const named = findId(db, 'networkInterface', word);
    if (named === undefined) throw error;
    return { kind: 'interface', networkInterface: recordOf(db, 'networkInterface', named) };
  }
}

/** Its addresses on the links to VPCs mean this host too. */
export function meansHost(word: string): boolean {
  const address = addressOf(word);
  return word === 'host' || (address !== undefined && blockContains(UPLINK_POOL, address));
}

/** Of a block, its first one. */
function addressOf(word: string): string | undefined {
  return canonicalAddress(word.replace(/\/\d{1,3}$/, ''));
}

/** Addresses say their family, and so does ICMP; otherwise it is IPv4 unless IPv6 is asked for. */
function familyAsked({ traffic, isIpv6 }: Words, meanings: readonly Meaning[]): Family {
  const said = meanings.flatMap((meaning) => (meaning.kind === 'address' ? [familyOf(meaning.address)] : []));
  const wanted = familyOfWord(traffic);
  const all = new Set<Family>([
    ...said,
    ...(wanted === undefined ? [] : [wanted]),
    ...(isIpv6 ? ([6] as const) : []),
  ]);
  if (all.size > 1)
    throw new UsageError('a question is about IPv4 or about IPv6, not about both', {
      hint: 'addresses of one family, icmp with IPv4 and icmpv6 with IPv6',
    });
  return [...all][0] ?? 4;
}

class PlaceFinder {
  readonly #db: Db;
  readonly #family: Family;
  /** Read once for both ends. */
  readonly #records = new Map<string, VpcRecords>();

  constructor(db: Db, family: Family) {
    this.#db = db;
    this.#family = family;
  }

  /** The VPCs that it can be in. */
  vpcsOf(meaning: Meaning): readonly Vpc[] {
    switch (meaning.kind) {
      case 'host':
      case 'internet':
        return [];
      case 'instance':
        return [recordOf(this.#db, 'vpc', meaning.instance.vpcId)];
      case 'interface':
        return [recordOf(this.#db, 'vpc', meaning.networkInterface.vpcId)];
      case 'address': {
        const holder = this.#holderOf(this.#elasticAt(meaning.address));
        if (holder !== undefined) return [recordOf(this.#db, 'vpc', holder.vpcId)];
        return vpcs.list(this.#db).filter((vpc) => hasAddress(vpc, meaning.address));
      }
    }
  }

  place(meaning: Exclude<Meaning, { kind: 'host' }>, near: readonly Vpc[]): Place {
    switch (meaning.kind) {
      case 'internet':
        return { kind: 'outside', address: INTERNET[this.#family], isInternet: true };
      case 'interface':
        return this.#interfacePlace(meaning.networkInterface, {});
      case 'instance': {
        const { instance } = meaning;
        const own = networkInterfaces.listBy(this.#db, 'instance_id', instance.instanceId);
        const primary = own.toSorted((a, b) => indexOf(a) - indexOf(b))[0];
        if (primary === undefined) return { kind: 'gone', instance, name: this.#nameOf(instance) };
        return this.#interfacePlace(primary, {});
      }
      case 'address':
        return this.#addressPlace(meaning.address, near);
    }
  }

  #addressPlace(address: string, near: readonly Vpc[]): Place {
    const elastic = this.#elasticAt(address);
    if (elastic !== undefined) return this.#elasticPlace(elastic);
    const service = LINK_LOCAL_SERVICES[address];
    const vpc = service === undefined ? this.#vpcWith(address, near) : near[0];
    if (vpc === undefined) {
      if (service === undefined) return { kind: 'outside', address, isInternet: false };
      throw new UsageError(`${address} is a service of every VPC, so the other end must be an instance`, {
        hint: `bonami sg why INSTANCE ${address}`,
      });
    }
    const records = this.#read(vpc);
    if (service !== undefined) return { kind: 'service', records, address, service };
    if (address === resolverAddress(vpc)) return { kind: 'service', records, address, service: 'resolver' };
    if (gatewayAddresses(records).includes(address))
      return { kind: 'service', records, address, service: 'gateway' };
    const holder = interfaceAt(this.#db, vpc.vpcId, address);
    return holder === undefined
      ? { kind: 'nobody', records, address }
      : this.#interfacePlace(holder, { address, named: 'private' });
  }

  /** The VPC that an address is of: the other end's own, one that it is peered with, or the only one there is. */
  #vpcWith(address: string, near: readonly Vpc[]): Vpc | undefined {
    const all = vpcs.list(this.#db).filter((vpc) => hasAddress(vpc, address));
    const own = all.find(({ vpcId }) => near.some((each) => each.vpcId === vpcId));
    if (own !== undefined) return own;
    const peers = near.flatMap((each) => this.#read(each).peerings.map(({ peer }) => peer.vpcId));
    const [first, ...others] = all.filter(({ vpcId }) => peers.includes(vpcId));
    if (first !== undefined && others.length === 0) return first;
    if (all.length > 1)
      throw new Ec2Error(
        'InvalidParameterValue',
        `${address} could be of ${all.map(({ vpcId }) => vpcId).join(' or ')}`,
        { hint: 'name the instance or the interface: bonami eni ls' },
      );
    return all[0];
  }

  #elasticAt(address: string): Address | undefined {
    return addresses.list(this.#db).find(({ publicIp }) => publicIp === address);
  }

  #holderOf(elastic: Address | undefined): NetworkInterface | undefined {
    const id = elastic?.association?.networkInterfaceId;
    return id === undefined ? undefined : networkInterfaces.get(this.#db, id);
  }

  #elasticPlace(elastic: Address): InterfacePlace | ElasticPlace {
    const holder = this.#holderOf(elastic);
    const address = elastic.association?.privateIpAddress;
    if (holder?.interfaceType === 'interface' && address !== undefined)
      return this.#interfacePlace(holder, { address, named: 'elastic' });
    const nat = natGateways.list(this.#db).find(({ allocationId }) => allocationId === elastic.allocationId);
    return { kind: 'elastic', elastic, natGatewayId: nat?.natGatewayId };
  }

  #interfacePlace(
    networkInterface: NetworkInterface,
    {
      address: wanted,
      named = 'interface',
    }: { readonly address?: string; readonly named?: InterfacePlace['named'] },
  ): InterfacePlace {
    const { networkInterfaceId, vpcId, subnetId, attachment } = networkInterface;
    const records = this.#read(recordOf(this.#db, 'vpc', vpcId));
    const subnet =
      records.subnets.find((each) => each.subnetId === subnetId) ?? subnets.get(this.#db, subnetId);
    if (subnet === undefined)
      throw new Ec2Error('InvalidSubnetID.NotFound', `The subnet ID '${subnetId}' does not exist`);
    const instance = attachment === null ? undefined : instances.get(this.#db, attachment.instanceId);
    const address = wanted ?? addressesOf(networkInterface).find((each) => familyOf(each) === this.#family);
    return {
      kind: 'interface',
      records,
      subnet,
      networkInterface,
      instance,
      name: instance && this.#nameOf(instance),
      isPlugged: records.plugged.some(
        (each) => each.networkInterface.networkInterfaceId === networkInterfaceId,
      ),
      address,
      elastic: records.addresses.find(
        ({ association }) =>
          association?.networkInterfaceId === networkInterfaceId && association.privateIpAddress === address,
      ),
      named,
    };
  }

  #nameOf({ instanceId }: Instance): string | undefined {
    return tagsOf(this.#db, instanceId)['Name'];
  }

  #read({ vpcId }: Vpc): VpcRecords {
    const records = this.#records.get(vpcId) ?? readVpc(this.#db, vpcId);
    this.#records.set(vpcId, records);
    return records;
  }
}

const LINK_LOCAL_SERVICES: Readonly<Record<string, 'metadata' | 'resolver'>> = {
  [METADATA_ADDRESS]: 'metadata',
  '169.254.169.253': 'resolver',
};

function hasAddress(vpc: Vpc, address: string): boolean {
  return blocksOf(vpc).some((block) => blockContains(block, address));
}

function indexOf({ attachment }: NetworkInterface): number {
  return attachment?.deviceIndex ?? Number.POSITIVE_INFINITY;
}
