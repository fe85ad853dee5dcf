import type { CreateNetworkAclEntryRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { familyOf } from '../../core/ip.ts';
import type { NetworkAclEntry } from '../../store/network-acls.ts';
import { canonicalCidr } from '../vpcs/cidr-block.ts';

/** Names for protocol numbers (IANA), as the AWS tools take them. */
const PROTOCOLS: Readonly<Record<string, string>> = {
  all: '-1',
  icmp: '1',
  icmpv6: '58',
  tcp: '6',
  udp: '17',
};

/**
 * A request's entry as it is recorded (AWS: CreateNetworkAclEntry). Throws `MissingParameter` for ports or an ICMP
 * type that the protocol needs, `InvalidParameterValue`, `InvalidParameterCombination`.
 */
export function requestedEntry(request: CreateNetworkAclEntryRequest): NetworkAclEntry {
  const protocol = checkedProtocol(request.Protocol);
  const cidrBlock = checkedBlock(request);
  if (protocol === (familyOf(cidrBlock) === 4 ? '58' : '1'))
    throw new Ec2Error(
      'InvalidParameterCombination',
      `Protocol ${protocol} does not go with the block ${cidrBlock}`,
      { hint: 'icmp (1) is for IPv4, icmpv6 (58) for IPv6' },
    );
  return {
    ruleNumber: checkedRuleNumber(request.RuleNumber),
    egress: request.Egress ?? false,
    ruleAction: checkedAction(request.RuleAction),
    protocol,
    cidrBlock,
    portRange: protocol === '6' || protocol === '17' ? checkedPorts(request.PortRange) : null,
    icmpTypeCode: protocol === '1' || protocol === '58' ? checkedIcmp(request.IcmpTypeCode) : null,
  };
}

/** AWS: CreateNetworkAclEntry: from 1 to 32766; 32767 is the entry `*`. */
export function checkedRuleNumber(number: number | undefined): number {
  if (number === undefined) throw missing('ruleNumber', '100');
  if (!Number.isInteger(number) || number < 1 || number > 32_766)
    throw invalid('ruleNumber', number, 'a whole number from 1 to 32766');
  return number;
}

function checkedAction(action: string | undefined): 'allow' | 'deny' {
  if (action === undefined) throw missing('ruleAction', 'allow or deny');
  if (action !== 'allow' && action !== 'deny') throw invalid('ruleAction', action, 'allow or deny');
  return action;
}

function checkedProtocol(text: string | undefined): string {
  if (text === undefined) throw missing('protocol', 'tcp, udp, icmp, icmpv6, a number, or -1 for all');
  const name = text.toLowerCase();
  const number = Object.hasOwn(PROTOCOLS, name) ? (PROTOCOLS[name] ?? name) : name;
  if (number !== '-1' && (!/^(?:0|[1-9]\d{0,2})$/.test(number) || Number(number) > 255))
    throw invalid('protocol', text, 'tcp, udp, icmp, icmpv6, a number from 0 to 255, or -1 for all');
  return number;
}

function checkedBlock({ CidrBlock, Ipv6CidrBlock }: CreateNetworkAclEntryRequest): string {
  if (CidrBlock !== undefined && Ipv6CidrBlock !== undefined)
    throw new Ec2Error('InvalidParameterCombination', 'An entry has one CIDR block', {
      hint: 'cidrBlock or ipv6CidrBlock',
    });
  if (Ipv6CidrBlock !== undefined) return canonicalCidr(Ipv6CidrBlock, 'ipv6CidrBlock', 6);
  if (CidrBlock === undefined) throw missing('cidrBlock', '0.0.0.0/0 is everywhere');
  return canonicalCidr(CidrBlock, 'cidrBlock', 4);
}

function checkedPorts(range: CreateNetworkAclEntryRequest['PortRange']): NetworkAclEntry['portRange'] {
  if (range?.From === undefined || range.To === undefined)
    throw missing('portRange', 'ports from 0 to 65535');
  const { From: from, To: to } = range;
  const isPort = (port: number): boolean => Number.isInteger(port) && port >= 0 && port <= 65_535;
  if (!isPort(from) || !isPort(to) || from > to)
    throw invalid('portRange', `${from}-${to}`, 'from 0 to 65535, the lower one first');
  return { from, to };
}

function checkedIcmp(icmp: CreateNetworkAclEntryRequest['IcmpTypeCode']): NetworkAclEntry['icmpTypeCode'] {
  if (icmp?.Type === undefined || icmp.Code === undefined)
    throw missing('icmpTypeCode', 'type and code; -1 is every one');
  const { Type: type, Code: code } = icmp;
  const isValid = [type, code].every((each) => Number.isInteger(each) && each >= -1 && each <= 255);
  if (!isValid || (type === -1 && code !== -1))
    throw invalid('icmpTypeCode', `${type}/${code}`, 'from 0 to 255; -1 is every one');
  return { type, code };
}

function missing(parameter: string, hint: string): Ec2Error {
  return new Ec2Error('MissingParameter', `The request must contain the parameter ${parameter}`, { hint });
}

function invalid(parameter: string, value: string | number, hint: string): Ec2Error {
  return new Ec2Error('InvalidParameterValue', `Value (${value}) for parameter ${parameter} is invalid.`, {
    hint,
  });
}
