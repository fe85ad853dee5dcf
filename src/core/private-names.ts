// The names that machines have.

/** A label of a host's name, in any case (RFC 1123, section 2.1). */
export const HOST_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;

/** The domain of private names (AWS: "Amazon EC2 instance hostname types"). */
export function privateDomain(region: string): string {
  return region === 'us-east-1' ? 'ec2.internal' : `${region}.compute.internal`;
}

/** What a machine with this IPv4 address is called in its domain. */
export function privateHostName(address: string): string {
  return `ip-${address.replaceAll('.', '-')}`;
}

/** The whole private name of an IPv4 address. */
export function privateDnsName(address: string, region: string): string {
  return `${privateHostName(address)}.${privateDomain(region)}`;
}
