import type { IpPermission } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Db } from '../../store/database.ts';
import type { SecurityGroup, SecurityGroupRule } from '../../store/security-groups.ts';
import { requestedPeers } from './rule-peer.ts';
import { checkedTraffic } from './rule-traffic.ts';

/** One rule, EC2's own unit: one protocol and range, one other end. Its id comes when it is recorded. */
export type RequestedRule = Omit<SecurityGroupRule, 'securityGroupRuleId'>;

/** What the actions that name rules by their content take; the single ones are EC2's older way to name one. */
export interface PermissionRequest {
  readonly IpPermissions?: readonly IpPermission[] | undefined;
  readonly IpProtocol?: string | undefined;
  readonly FromPort?: number | undefined;
  readonly ToPort?: number | undefined;
  readonly CidrIp?: string | undefined;
  readonly SourceSecurityGroupName?: string | undefined;
}

export interface RuleReading {
  readonly isEgress: boolean;
  /** See requestedPeers. */
  readonly known: 'reachable' | 'whatever';
}

/** A request's permissions as single rules. Throws EC2's errors for what it would refuse. */
export function requestedRules(
  db: Db,
  group: SecurityGroup,
  request: PermissionRequest,
  { isEgress, known }: RuleReading,
): readonly RequestedRule[] {
  const permissions = permissionsOf(request);
  if (permissions.length === 0)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter ipPermissions');
  const rules = permissions.flatMap((permission) => {
    const traffic = checkedTraffic(permission);
    const peers = requestedPeers(db, group, permission, known);
    if (peers.length === 0)
      throw new Ec2Error('InvalidParameterValue', 'A rule needs a CIDR block, a group or a prefix list', {
        hint: '--from 0.0.0.0/0',
      });
    return peers.map((peer) => ({ isEgress, ...traffic, ...peer }));
  });
  requireDistinct(rules);
  return rules;
}

function permissionsOf(request: PermissionRequest): readonly IpPermission[] {
  const { IpPermissions = [], IpProtocol, FromPort, ToPort, CidrIp, SourceSecurityGroupName } = request;
  if (IpProtocol === undefined && CidrIp === undefined && SourceSecurityGroupName === undefined)
    return IpPermissions;
  if (IpPermissions.length > 0)
    throw new Ec2Error(
      'InvalidParameterCombination',
      'The parameter ipPermissions may not be used in combination with ipProtocol, cidrIp or sourceSecurityGroupName',
    );
  return [
    {
      IpProtocol: IpProtocol ?? '-1',
      FromPort,
      ToPort,
      IpRanges: CidrIp === undefined ? [] : [{ CidrIp }],
      UserIdGroupPairs: SourceSecurityGroupName === undefined ? [] : [{ GroupName: SourceSecurityGroupName }],
    },
  ];
}

function requireDistinct(rules: readonly RequestedRule[]): void {
  if (rules.some((rule, index) => rules.slice(0, index).some((other) => sameRule(rule, other))))
    throw new Ec2Error('InvalidParameterValue', 'The same permission must not appear multiple times');
}

/** Two rules are the same when all but their ids and descriptions is; a group is itself by any peering. */
export function sameRule(a: RequestedRule, b: RequestedRule): boolean {
  return (
    a.isEgress === b.isEgress &&
    a.ipProtocol === b.ipProtocol &&
    a.fromPort === b.fromPort &&
    a.toPort === b.toPort &&
    peerName(a) === peerName(b)
  );
}

/** The other end of a rule as people write it: a block, or the id of a group or a prefix list. */
export function peerName({ peer }: Pick<RequestedRule, 'peer'>): string {
  switch (peer.kind) {
    case 'ipv4':
    case 'ipv6':
      return peer.cidr;
    case 'prefixList':
      return peer.prefixListId;
    case 'group':
      return peer.groupId;
  }
}
