import { containsAddress, formatCidr, parseIpv4, sizeOf, type Cidr } from '../../core/cidr.ts';
import { Ec2Error } from '../../core/errors.ts';
import { blockContains, UNUSABLE_IPV4 } from '../../core/ip.ts';
import type { HostAddress, HostAddresses } from '../../host/link/host-addresses.ts';
import type { Address } from '../../store/addresses.ts';

export type Reach = Address['reach'];

/** For addresses that nobody asked for by name: a documentation range (RFC 5737), which this host reaches only. */
export const BUILT_IN_RANGE = '203.0.113.0/24';

/**
 * Who answers for an address on a host that has these addresses and links. Pure. Throws `InvalidParameterValue` for
 * one that cannot be given away: the host's way out, its router, a network's own.
 */
export function reachOf(host: HostAddresses, address: string): Reach {
  const value = parseIpv4(address);
  if (value === undefined || UNUSABLE_IPV4.some((block) => blockContains(block, address)))
    throw new Ec2Error('InvalidParameterValue', `Value (${address}) for parameter address is invalid.`, {
      hint: 'an IPv4 address like 192.168.1.240',
    });
  if (address === host.primary)
    throw new Ec2Error(
      'InvalidParameterValue',
      `'${address}' is the address that this host itself uses for everything`,
      { hint: 'bonami port-forward, to pass single ports on' },
    );
  if (host.addresses.some((own) => own.address === address)) return 'own';
  const network = host.addresses
    .filter(({ device, prefix }) => device !== 'lo' && prefix < 31)
    .map(networkOf)
    .find((each) => containsAddress(each, value));
  if (network === undefined) return 'host';
  const isEdge = value === network.network || value === network.network + sizeOf(network) - 1;
  if (isEdge || host.gateways.includes(address))
    throw new Ec2Error(
      'InvalidParameterValue',
      `'${address}' is ${isEdge ? `no machine's address in ${formatCidr(network)}` : "this host's router"}`,
      { hint: 'a free address of that network' },
    );
  return 'lan';
}

function networkOf({ address, prefix }: HostAddress): Cidr {
  const size = 2 ** (32 - prefix);
  return { network: Math.floor((parseIpv4(address) ?? 0) / size) * size, prefix };
}
