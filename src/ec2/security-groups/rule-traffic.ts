import type { IpPermission } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { SecurityGroupRule } from '../../store/security-groups.ts';

/** What a rule lets through, whoever is at the other end. */
export type RuleTraffic = Pick<SecurityGroupRule, 'ipProtocol' | 'fromPort' | 'toPort'>;

/** Names, and the numbers that EC2 answers with a name (AWS: IpPermission, IpProtocol). */
const PROTOCOLS: Readonly<Record<string, string>> = {
  '-1': '-1',
  all: '-1',
  tcp: 'tcp',
  '6': 'tcp',
  udp: 'udp',
  '17': 'udp',
  icmp: 'icmp',
  '1': 'icmp',
  icmpv6: 'icmpv6',
  '58': 'icmpv6',
};

/**
 * A permission's protocol and ports as rules keep them. Ports given for a protocol that has none, or for every
 * protocol, are passed over, as EC2 does (AWS: AuthorizeSecurityGroupIngress). Throws `InvalidParameterValue`.
 */
export function checkedTraffic({ IpProtocol = '', FromPort, ToPort }: IpPermission): RuleTraffic {
  const ipProtocol = checkedProtocol(IpProtocol);
  if (ipProtocol === 'tcp' || ipProtocol === 'udp') return portRange(ipProtocol, FromPort, ToPort);
  if (ipProtocol === 'icmp' || ipProtocol === 'icmpv6') return typeAndCode(ipProtocol, FromPort, ToPort);
  return { ipProtocol, fromPort: null, toPort: null };
}

function checkedProtocol(given: string): string {
  const name = given.toLowerCase();
  if (Object.hasOwn(PROTOCOLS, name)) return PROTOCOLS[name] ?? name;
  if (/^\d{1,3}$/.test(name) && Number(name) <= 255) {
    const number = String(Number(name));
    return PROTOCOLS[number] ?? number;
  }
  throw new Ec2Error('InvalidParameterValue', `Invalid value '${given}' for IP protocol. Unknown protocol.`, {
    hint: 'tcp, udp, icmp, icmpv6, a number from 0 to 255, or -1',
  });
}

function portRange(ipProtocol: string, fromPort?: number, toPort = fromPort): RuleTraffic {
  if (fromPort === undefined || toPort === undefined)
    throw new Ec2Error(
      'InvalidParameterValue',
      "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
      { hint: '-p 80' },
    );
  for (const port of [fromPort, toPort])
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      throw new Ec2Error('InvalidParameterValue', `TCP/UDP port (${port}) out of range`, {
        hint: 'from 0 to 65535',
      });
  if (fromPort > toPort)
    throw new Ec2Error('InvalidParameterValue', `Invalid TCP/UDP port range (${fromPort}:${toPort})`, {
      hint: 'the lower one first',
    });
  return { ipProtocol, fromPort, toPort };
}

/** AWS: IpPermission, FromPort: a type, and a code as ToPort; -1 is every one, and every type has every code. */
function typeAndCode(ipProtocol: string, type = -1, code = -1): RuleTraffic {
  for (const [what, value] of [
    ['type', type],
    ['code', code],
  ] as const)
    if (!Number.isInteger(value) || value < -1 || value > 255)
      throw new Ec2Error('InvalidParameterValue', `ICMP ${what} (${value}) out of range`, {
        hint: 'from 0 to 255, or -1 for every one',
      });
  if (type === -1 && code !== -1)
    throw new Ec2Error('InvalidParameterValue', `ICMP code (${code}) must be -1 when ICMP type is -1`, {
      hint: '-1 stands for every type, which leaves no code to choose',
    });
  return { ipProtocol, fromPort: type, toPort: code };
}
