// What a ruleset means, said once more and without a firewall: which packets pass.
import { BlockList } from 'node:net';
import type { AclEntry, Allow, NetworkRuleset, TrafficMatch } from '../../../../src/host/firewall/ruleset.ts';
import type { Packet } from './packet.ts';

export function passes(rules: NetworkRuleset, packet: Packet): boolean {
  return (
    mayCross(rules, packet) &&
    segmentsAgree(rules, packet) &&
    packet.state !== 'invalid' &&
    (packet.state !== 'new' || (senderMay(rules, packet) && receiverTakes(rules, packet)))
  );
}

function mayCross({ blocks, crossings }: NetworkRuleset, { from, to, source }: Packet): boolean {
  const [entrance, exit] = [from, to].map((link) => crossings.find((each) => each.link === link));
  if (entrance && (!to.startsWith('snt') || !isIn(source, entrance.blocks))) return false;
  if (exit && !from.startsWith('snt')) return false;
  return exit || to === 'up0' ? isIn(source, blocks) : true;
}

function segmentsAgree({ segments }: NetworkRuleset, packet: Packet): boolean {
  if (packet.from === packet.to) return true;
  const outbound = segments.find(({ bridge }) => bridge === packet.from)?.outbound;
  const inbound = segments.find(({ bridge }) => bridge === packet.to)?.inbound;
  return listAllows(outbound, packet.destination, packet) && listAllows(inbound, packet.source, packet);
}

function listAllows(entries: readonly AclEntry[] | undefined, other: string, packet: Packet): boolean {
  const first = entries?.find(({ block, match }) => isIn(other, [block]) && matches(match, packet));
  return entries === undefined || first?.action === 'allow';
}

function senderMay({ ports, groups }: NetworkRuleset, packet: Packet): boolean {
  if (!packet.from.startsWith('snt')) return true;
  const port = ports.find(({ mac }) => mac === packet.mac);
  const allows = groups.filter(({ key }) => port?.groupKeys.includes(key)).flatMap(({ egress }) => egress);
  return anyAllows(groups, allows, packet.destination, packet);
}

function receiverTakes({ ports, groups, crossings, hasWayOut }: NetworkRuleset, packet: Packet): boolean {
  const port = ports.find(({ addresses }) => addresses.includes(packet.nextHop));
  if (port === undefined)
    return crossings.some(({ link }) => link === packet.to) || (hasWayOut && packet.to === 'up0');
  const allows = groups.filter(({ key }) => port.groupKeys.includes(key)).flatMap(({ ingress }) => ingress);
  return anyAllows(groups, allows, packet.source, packet);
}

function anyAllows(
  groups: NetworkRuleset['groups'],
  allows: readonly Allow[],
  other: string,
  packet: Packet,
): boolean {
  return allows.some(({ peer, match }) => {
    const isPeer =
      'block' in peer
        ? isIn(other, [peer.block])
        : groups.some(({ key, members }) => key === peer.groupKey && members.includes(other));
    return isPeer && matches(match, packet);
  });
}

export function matches(match: TrafficMatch, { source, protocol, port = -1, type, code }: Packet): boolean {
  switch (match.kind) {
    case 'all':
      return true;
    case 'protocol':
      return protocol === match.protocol;
    case 'ports':
      return protocol === match.protocol && match.from <= port && port <= match.to;
    case 'icmp':
      return (
        protocol === match.protocol &&
        (protocol === 58) === source.includes(':') &&
        type === match.type &&
        (match.code === undefined || code === match.code)
      );
  }
}

const lists = new Map<string, BlockList>();

/** By Node's own lists, which know nothing of ours. */
export function isIn(address: string, blocks: readonly string[]): boolean {
  return blocks.some((block) => {
    const [network = '', prefix] = block.split('/');
    const family = network.includes(':') ? 'ipv6' : 'ipv4';
    if (address.includes(':') !== (family === 'ipv6')) return false;
    const known = lists.get(block) ?? new BlockList();
    if (!lists.has(block)) {
      known.addSubnet(network, Number(prefix ?? (family === 'ipv6' ? 128 : 32)), family);
      lists.set(block, known);
    }
    return known.check(address, family);
  });
}
