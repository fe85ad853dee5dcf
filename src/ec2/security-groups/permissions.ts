import type { IpPermission as Ec2Permission } from '@aws-sdk/client-ec2';
import { formatCidr, parseCidr } from '../../core/cidr.ts';
import { Ec2Error } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { securityGroups, type IpPermission, type SecurityGroup } from '../../store/network.ts';

const PROTOCOLS: Readonly<Record<string, IpPermission['ipProtocol']>> = {
  '-1': '-1',
  all: '-1',
  tcp: 'tcp',
  '6': 'tcp',
  udp: 'udp',
  '17': 'udp',
  icmp: 'icmp',
  '1': 'icmp',
};

/** One rule: one protocol and range, one peer. EC2's own unit, by which rules are compared. */
export type Rule = Omit<IpPermission, 'ipRanges' | 'userIdGroupPairs'> & {
  readonly peer: string;
  readonly description: string | null;
};

/** A request's permissions as single rules. Throws EC2's errors for what it would refuse. */
export function requestedRules(
  db: Db,
  group: SecurityGroup,
  permissions: readonly Ec2Permission[],
): readonly Rule[] {
  if (permissions.length === 0)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter ipPermissions');
  return permissions.flatMap((permission) => {
    const traffic = checkedTraffic(permission);
    if ((permission.Ipv6Ranges ?? []).length > 0 || (permission.PrefixListIds ?? []).length > 0)
      throw new Ec2Error('UnsupportedOperation', 'IPv6 ranges and prefix lists are not supported in rules');
    const peers = [
      ...(permission.IpRanges ?? []).map(({ CidrIp = '', Description }) => ({
        peer: formatCidr(parseCidr(CidrIp)),
        description: Description ?? null,
      })),
      ...(permission.UserIdGroupPairs ?? []).map(({ GroupId, GroupName, Description }) => ({
        peer: referencedGroup(db, group, GroupId ?? GroupName ?? ''),
        description: Description ?? null,
      })),
    ];
    if (peers.length === 0)
      throw new Ec2Error('InvalidParameterValue', 'A rule needs a CIDR block or a group', {
        hint: '--from 0.0.0.0/0',
      });
    return peers.map((peer) => ({ ...traffic, ...peer }));
  });
}

function checkedTraffic({
  IpProtocol = '',
  FromPort,
  ToPort,
}: Ec2Permission): Pick<Rule, 'ipProtocol' | 'fromPort' | 'toPort'> {
  const name = IpProtocol.toLowerCase();
  const ipProtocol = Object.hasOwn(PROTOCOLS, name) ? PROTOCOLS[name] : undefined;
  if (ipProtocol === undefined)
    throw new Ec2Error(
      'InvalidParameterValue',
      `Invalid value '${IpProtocol}' for IP protocol. Unknown protocol.`,
      { hint: 'tcp, udp, icmp or -1' },
    );
  if (ipProtocol === '-1') return { ipProtocol, fromPort: null, toPort: null };
  const [fromPort, toPort] = [FromPort ?? -1, ToPort ?? FromPort ?? -1];
  const highest = ipProtocol === 'icmp' ? 255 : 65_535;
  const lowest = ipProtocol === 'icmp' ? -1 : 0;
  const whole = [fromPort, toPort].every(
    (port) => Number.isInteger(port) && port >= lowest && port <= highest,
  );
  if (!whole || (ipProtocol !== 'icmp' && fromPort > toPort))
    throw new Ec2Error('InvalidParameterValue', `Invalid port range ${fromPort}-${toPort}`, {
      hint: 'from 0 to 65535, the lower one first',
    });
  return { ipProtocol, fromPort, toPort };
}

function referencedGroup(db: Db, group: SecurityGroup, reference: string): string {
  const found = securityGroups
    .listBy(db, 'vpc_id', group.vpcId)
    .find(({ groupId, groupName }) =>
      isId('securityGroup', reference) ? groupId === reference : groupName === reference,
    );
  if (found === undefined)
    throw new Ec2Error('InvalidGroup.NotFound', `The security group '${reference}' does not exist`, {
      hint: 'bonami sg ls',
    });
  return found.groupId;
}

/** Stored permissions as single rules, and back. */
export function toRules(permissions: readonly IpPermission[]): readonly Rule[] {
  return permissions.flatMap(({ ipRanges, userIdGroupPairs, ...traffic }) => [
    ...ipRanges.map(({ cidrIp, description }) => ({ ...traffic, peer: cidrIp, description })),
    ...userIdGroupPairs.map(({ groupId, description }) => ({ ...traffic, peer: groupId, description })),
  ]);
}

export function toPermissions(rules: readonly Rule[]): IpPermission[] {
  return rules.map(({ peer, description, ...traffic }) => ({
    ...traffic,
    ipRanges: isId('securityGroup', peer) ? [] : [{ cidrIp: peer, description }],
    userIdGroupPairs: isId('securityGroup', peer) ? [{ groupId: peer, description }] : [],
  }));
}

/** Two rules are the same when all but their descriptions is. */
export function sameRule(a: Rule, b: Rule): boolean {
  return (
    a.ipProtocol === b.ipProtocol && a.fromPort === b.fromPort && a.toPort === b.toPort && a.peer === b.peer
  );
}
