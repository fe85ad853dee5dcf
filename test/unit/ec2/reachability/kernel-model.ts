// What becomes of a packet when everything that bonami would tell the kernel is in force: the routers of all VPCs with
// their routes, the text of their firewalls run rule by rule, the host between them. Nothing here knows of the
// explanation that it is compared with.
import { networkRuleset } from '../../../../src/ec2/security-groups/ruleset.ts';
import { bridgeOf, crossingLink, routerSpec } from '../../../../src/ec2/vpcs/router-spec.ts';
import { readVpc, type VpcRecords } from '../../../../src/ec2/vpcs/vpc-records.ts';
import { networkTable } from '../../../../src/host/firewall/network-table.ts';
import type { NetworkRuleset } from '../../../../src/host/firewall/ruleset.ts';
import type { Hop, Router } from '../../../../src/host/link/router.ts';
import type { Db } from '../../../../src/store/database.ts';
import type { NetworkInterface } from '../../../../src/store/network-interfaces.ts';
import { vpcs } from '../../../../src/store/vpcs.ts';
import { forwards } from '../../host/firewall/nft-interpreter.ts';
import { isIn } from '../../host/firewall/packet-model.ts';
import type { Packet } from '../../host/firewall/packet.ts';

export type Payload = Pick<Packet, 'protocol' | 'port' | 'type' | 'code' | 'state'>;

interface Network {
  readonly records: VpcRecords;
  readonly router: Router;
  readonly rules: NetworkRuleset;
  readonly text: string;
}

/** Where a packet came to. */
export interface Arrival {
  readonly vpcId: string;
  readonly networkInterface: NetworkInterface;
  /** The sender's address as it is seen there. */
  readonly source: string;
  /** Links that it came in by, the last one last. */
  readonly by: string;
  /** The address that it was for, once translated. */
  readonly destination: string;
}

export const OUTSIDE = 'outside';
const HOST_ADDRESS = '169.254.96.5';
const STRANGER = '192.0.0.8';

export class KernelModel {
  readonly #networks: readonly Network[];

  constructor(db: Db) {
    const all = vpcs.list(db).map(({ vpcId }) => readVpc(db, vpcId));
    const standing = new Set(all.filter(({ plugged }) => plugged.length > 0).map(({ vpc }) => vpc.vpcId));
    this.#networks = all.map((records) => {
      const peers = records.peerings.filter(({ peer }) => standing.has(peer.vpcId));
      const crossings = new Set(standing.has(records.vpc.vpcId) ? peers.map(crossingLink) : []);
      const rules = networkRuleset(records, crossings);
      const router = routerSpec({ records, hostAddress: HOST_ADDRESS, crossings });
      return { records, rules, router, text: networkTable(rules) };
    });
  }

  /** A machine sends: to whom does it come, if to anybody? */
  send(
    sender: NetworkInterface,
    source: string,
    destination: string,
    payload: Payload,
  ): Arrival | typeof OUTSIDE | undefined {
    const network = this.#network(sender.vpcId);
    const translated = translate(network, destination);
    const from = bridgeOf(sender.subnetId);
    const out = this.#forward(network, {
      from,
      mac: sender.macAddress,
      source,
      destination: translated,
      payload,
    });
    if (out === undefined) return undefined;
    if (out.link === 'up0') return this.#throughHost(network, { from, source, destination, payload });
    if (out.link.startsWith('pcx'))
      return this.#crossing(out.link, network, { source, destination, payload });
    return arrival(network, { nextHop: out.nextHop, source, by: from, destination: translated });
  }

  /** This host, or somebody outside, sends to an address. */
  sendFromBeyond(source: string, destination: string, payload: Payload): Arrival | undefined {
    for (const network of this.#networks) {
      const isElastic = network.rules.publicAddresses.some(({ address }) => address === destination);
      const isPrivate = source === HOST_ADDRESS && isIn(destination, network.rules.blocks);
      if (isElastic || isPrivate) return this.#fromUplink(network, { source, destination, payload });
    }
    return undefined;
  }

  /** An answer on its way back: does it come to where the request was from? `request` is how that came to be here. */
  answers(request: Arrival, payload: Payload): boolean {
    const network = this.#network(request.vpcId);
    const from = bridgeOf(request.networkInterface.subnetId);
    const out = this.#forward(network, {
      from,
      mac: request.networkInterface.macAddress,
      source: request.destination,
      destination: request.source,
      payload,
    });
    return out !== undefined && out.link === request.by;
  }

  /** An answer that comes back into the sender's network by a link. */
  returns(sender: NetworkInterface, source: string, { from, by, payload }: Returning): boolean {
    const network = this.#network(sender.vpcId);
    const out = this.#forward(network, {
      from: by,
      mac: ROUTER_MAC,
      source: from,
      destination: source,
      payload,
    });
    return out?.link === bridgeOf(sender.subnetId);
  }

  #network(vpcId: string): Network {
    const found = this.#networks.find(({ records }) => records.vpc.vpcId === vpcId);
    if (found === undefined) throw new Error(`there is no ${vpcId}`);
    return found;
  }

  #forward(
    { router, text }: Network,
    sent: Sent,
  ): { readonly link: string; readonly nextHop: string } | undefined {
    const hop = routed(router, sent.from, sent.destination);
    if (hop === undefined) return undefined;
    const { from, mac, source, destination, payload } = sent;
    const packet: Packet = { from, to: hop.link, mac, source, destination, nextHop: hop.nextHop, ...payload };
    return forwards(text, packet) ? hop : undefined;
  }

  #crossing(link: string, from: Network, sent: Crossed): Arrival | undefined {
    const network = this.#networks.find(
      (each) => each !== from && each.router.crossings.some((crossing) => crossing.link === link),
    );
    if (network === undefined) return undefined;
    const destination = translate(network, sent.destination);
    const out = this.#forward(network, { ...sent, destination, from: link, mac: ROUTER_MAC });
    return out && arrival(network, { nextHop: out.nextHop, source: sent.source, by: link, destination });
  }

  #throughHost(
    network: Network,
    { from, source, destination, payload }: Crossed & { readonly from: string },
  ): Arrival | typeof OUTSIDE | undefined {
    if (isIn(destination, ['169.254.0.0/16'])) return undefined;
    const elsewhere = this.#networks.find((each) => hasElastic(each, destination) && each !== network);
    if (elsewhere !== undefined) {
      const seen = leavingAs(network, from, source, destination);
      return this.#fromUplink(elsewhere, { source: seen ?? STRANGER, destination, payload });
    }
    const isOurs = this.#networks.some(
      (each) => isIn(destination, each.rules.blocks) || isAllocated(each, destination),
    );
    return isOurs ? undefined : OUTSIDE;
  }

  #fromUplink(network: Network, { source, destination, payload }: Crossed): Arrival | undefined {
    const translated = translate(network, destination);
    const sent = { from: 'up0', mac: ROUTER_MAC, source, destination: translated, payload };
    const out = this.#forward(network, sent);
    return out && arrival(network, { nextHop: out.nextHop, source, by: 'up0', destination: translated });
  }
}

interface Crossed {
  readonly source: string;
  readonly destination: string;
  readonly payload: Payload;
}

interface Sent extends Crossed {
  readonly from: string;
  readonly mac: string;
}

interface Returning {
  readonly from: string;
  readonly by: string;
  readonly payload: Payload;
}

const ROUTER_MAC = '02:ff:00:00:00:00';

function hasElastic({ rules }: Network, address: string): boolean {
  return rules.publicAddresses.some((each) => each.address === address || each.carrier === address);
}

function isAllocated({ records }: Network, address: string): boolean {
  return records.addresses.some(({ publicIp }) => publicIp === address);
}

/** Before routing, as `nat_in` of the table says. */
function translate({ rules }: Network, destination: string): string {
  const found = rules.publicAddresses.find(
    ({ address, carrier }) => address === destination || carrier === destination,
  );
  return found?.privateAddress ?? destination;
}

/** After routing, as `nat_out` of the table says; undefined for the router's own address. */
function leavingAs(
  { rules }: Network,
  bridge: string,
  source: string,
  destination: string,
): string | undefined {
  const ways = rules.segments.find((segment) => segment.bridge === bridge)?.waysOut ?? [];
  const way = ways.find((each) => isIn(destination, [each.destination]));
  const own = rules.publicAddresses.find(({ privateAddress }) => privateAddress === source);
  return way?.source ?? own?.carrier;
}

/** By the tables that `router-changes.ts` makes of a router: one for each segment, one for what comes from elsewhere. */
function routed(
  router: Router,
  from: string,
  destination: string,
): { readonly link: string; readonly nextHop: string } | undefined {
  const segment = router.segments.find(({ bridge }) => bridge === from);
  const isLocal = (block: string): Choice => ({ destination: block, hop: 'local' });
  const choices: readonly Choice[] = [
    ...[...router.blocks, '169.254.0.0/16'].map(isLocal),
    ...(segment?.routes ?? []),
  ];
  const [best] = choices
    .filter((each) => isIn(destination, [each.destination]))
    .toSorted((a, b) => Number(b.destination.split('/')[1]) - Number(a.destination.split('/')[1]));
  if (best === undefined) return undefined;
  return best.hop === 'local' ? connected(router, destination) : hopped(best.hop, destination);
}

interface Choice {
  readonly destination: string;
  readonly hop: Hop | 'local';
}

function connected(
  router: Router,
  destination: string,
): { readonly link: string; readonly nextHop: string } | undefined {
  if (isIn(destination, ['169.254.96.4/30'])) return { link: 'up0', nextHop: destination };
  const segment = router.segments.find(({ gateways }) =>
    gateways.some((gateway) => {
      const [address = '', prefix = ''] = gateway.split('/');
      return isIn(destination, [`${networkOf(address)}/${prefix}`]);
    }),
  );
  return segment && { link: segment.bridge, nextHop: destination };
}

/** A gateway has the first address of its subnet. */
function networkOf(gateway: string): string {
  return gateway.replace(/1$/, gateway.includes(':') ? '' : '0');
}

function hopped(
  hop: Hop,
  destination: string,
): { readonly link: string; readonly nextHop: string } | undefined {
  switch (hop.kind) {
    case 'uplink':
      return destination.includes(':') ? undefined : { link: 'up0', nextHop: HOST_ADDRESS };
    case 'nowhere':
      return undefined;
    case 'machine':
      return { link: hop.bridge, nextHop: hop.address };
    case 'crossing':
      return { link: hop.link, nextHop: destination.includes(':') ? 'fe80::1' : '169.254.80.1' };
  }
}

function arrival(
  { records }: Network,
  { nextHop, ...fields }: Omit<Arrival, 'vpcId' | 'networkInterface'> & { readonly nextHop: string },
): Arrival | undefined {
  const found = records.plugged.find(
    ({ networkInterface: { privateIpAddress, secondaryPrivateIpAddresses, ipv6Addresses } }) =>
      [privateIpAddress, ...secondaryPrivateIpAddresses, ...ipv6Addresses].includes(nextHop),
  );
  return found && { vpcId: records.vpc.vpcId, networkInterface: found.networkInterface, ...fields };
}
