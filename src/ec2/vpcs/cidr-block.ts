import { formatCidr, parseIpv4 } from '../../core/cidr.ts';
import { Ec2Error } from '../../core/errors.ts';
import { formatIpv6, parseIpv6 } from '../../core/ip.ts';

/**
 * A block in its canonical form. Bits of the host part are cleared, as EC2 does (AWS: CreateVpc, CreateRoute,
 * CreateNetworkAclEntry: "100.68.0.18/18 is modified to 100.68.0.0/18"). Throws `InvalidParameterValue` for what is
 * no block of that family.
 */
export function canonicalCidr(text: string, parameter: string, family: 4 | 6): string {
  const [address = '', length = '', ...rest] = text.split('/');
  const prefix = /^\d{1,3}$/.test(length) && rest.length === 0 ? Number(length) : -1;
  const block = family === 4 ? block4(address, prefix) : block6(address, prefix);
  if (block === undefined)
    throw new Ec2Error(
      'InvalidParameterValue',
      `Value (${text}) for parameter ${parameter} is invalid. This is not a valid ${family === 4 ? '' : 'IPv6 '}CIDR block.`,
      { hint: family === 4 ? 'like 10.0.0.0/16' : 'like fd12:3456:789a:bc00::/56' },
    );
  return block;
}

function block4(address: string, prefix: number): string | undefined {
  const value = parseIpv4(address);
  if (value === undefined || prefix < 0 || prefix > 32) return undefined;
  const size = 2 ** (32 - prefix);
  return formatCidr({ network: Math.floor(value / size) * size, prefix });
}

function block6(address: string, prefix: number): string | undefined {
  const value = parseIpv6(address);
  if (value === undefined || prefix < 0 || prefix > 128) return undefined;
  const host = BigInt(128 - prefix);
  return `${formatIpv6((value >> host) << host)}/${prefix}`;
}
