// Whether security groups let this host itself in. It comes from its end of a VPC's uplink, as any other machine
// outside comes from an address of its own.
import { HostError } from '../../core/errors.ts';
import { blocksOverlap, canonicalBlock } from '../../core/ip.ts';
import { UPLINK_POOL } from '../../host/link/uplink.ts';
import type { Db } from '../../store/database.ts';
import type { Instance } from '../../store/instances.ts';
import { prefixLists, securityGroups, type SecurityGroupRule } from '../../store/security-groups.ts';
import { trafficMatch } from '../security-groups/ruleset.ts';
import { primaryInterface } from './ec2-instance.ts';

const TCP = 6;

/** Whether a group of the instance's first interface lets this host connect to a TCP port. */
export function isHostLetIn(db: Db, instance: Instance, port: number): boolean {
  const groupIds = primaryInterface(db, instance)?.securityGroupIds ?? [];
  return groupIds
    .flatMap((id) => securityGroups.get(db, id)?.rules ?? [])
    .some((rule) => !rule.isEgress && isAboutPort(rule, port) && isAboutHost(db, rule));
}

/** Throws `ConnectionNotAllowed`, with the two ways on, where trying would end in a time-out. */
export function requireHostLetIn(db: Db, instance: Instance, port: number): void {
  if (isHostLetIn(db, instance, port)) return;
  const [groupId = 'GROUP', ...others] = primaryInterface(db, instance)?.securityGroupIds ?? [];
  throw new HostError(
    'ConnectionNotAllowed',
    `no security group of '${instance.instanceId}' lets this host connect to port ${port}`,
    {
      hint: `bonami sg authorize ${groupId} -p ${port} --from ${UPLINK_POOL}   or --inside, past every group`,
      details: [`its groups: ${[groupId, ...others].join(', ')}; this host is in ${UPLINK_POOL}`],
    },
  );
}

function isAboutPort(rule: SecurityGroupRule, port: number): boolean {
  const match = trafficMatch(rule);
  switch (match.kind) {
    case 'all':
      return true;
    case 'ports':
      return match.protocol === TCP && match.from <= port && port <= match.to;
    case 'protocol':
      return match.protocol === TCP;
    case 'icmp':
      return false;
  }
}

function isAboutHost(db: Db, { peer }: SecurityGroupRule): boolean {
  switch (peer.kind) {
    case 'ipv4':
    case 'ipv6':
      return blocksOverlap(canonicalBlock(peer.cidr), UPLINK_POOL);
    case 'prefixList':
      return (prefixLists.get(db, peer.prefixListId)?.entries ?? []).some(({ cidr }) =>
        blocksOverlap(canonicalBlock(cidr), UPLINK_POOL),
      );
    case 'group':
      return false;
  }
}
