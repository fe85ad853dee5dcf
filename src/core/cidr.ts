import { BonamiError } from './errors.ts';

/** An IPv4 block; `network` is the numeric network address. */
export interface Cidr {
  readonly network: number;
  readonly prefix: number;
}

/** Parses dotted-quad IPv4 strictly (no leading zeros, no short forms); undefined when it is not one. */
export function parseIpv4(text: string): number | undefined {
  const octets = text.split('.');
  if (octets.length !== 4) return undefined;
  let value = 0;
  for (const octet of octets) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(octet) || Number(octet) > 255) return undefined;
    value = value * 256 + Number(octet);
  }
  return value;
}

export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** Parses `a.b.c.d/n`. Throws `InvalidParameterValue` when it is malformed or has host bits set. */
export function parseCidr(text: string): Cidr {
  const [address = '', length = '', ...rest] = text.split('/');
  const network = parseIpv4(address);
  const prefix = /^\d{1,2}$/.test(length) ? Number(length) : -1;
  if (network === undefined || prefix < 0 || prefix > 32 || rest.length > 0)
    throw new BonamiError('InvalidParameterValue', `'${text}' is not an IPv4 CIDR block`, {
      hint: 'like 172.31.0.0/16',
    });
  if (network % sizeOf({ network, prefix }) !== 0)
    throw new BonamiError('InvalidParameterValue', `The CIDR block '${text}' has host bits set`);
  return { network, prefix };
}

export function formatCidr({ network, prefix }: Cidr): string {
  return `${formatIpv4(network)}/${prefix}`;
}

/** The block that an address with a prefix length is in: `10.0.0.1/24` → `10.0.0.0/24`. */
export function networkOf(text: string): string {
  const [address = '', length = '32'] = text.split('/');
  const size = 2 ** (32 - Number(length));
  return `${formatIpv4(Math.floor((parseIpv4(address) ?? 0) / size) * size)}/${length}`;
}

export function sizeOf({ prefix }: Cidr): number {
  return 2 ** (32 - prefix);
}

/** The address `offset` places after the network address. */
export function addressAt(cidr: Cidr, offset: number): string {
  return formatIpv4(cidr.network + offset);
}

export function containsAddress(cidr: Cidr, address: number): boolean {
  return address >= cidr.network && address < cidr.network + sizeOf(cidr);
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.network < b.network + sizeOf(b) && b.network < a.network + sizeOf(a);
}

export function netmask({ prefix }: Cidr): string {
  return formatIpv4(2 ** 32 - 2 ** (32 - prefix));
}

/** The `index`-th sub-block of length `prefix`. */
export function subBlock(cidr: Cidr, prefix: number, index: number): Cidr {
  return { network: cidr.network + index * 2 ** (32 - prefix), prefix };
}
