import type { NewDhcpConfiguration } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { parseIpv4 } from '../../core/cidr.ts';
import type { DhcpOptions } from '../../store/vpcs.ts';

/** AWS: "DHCP option set parameters". */
const MAX_SERVERS = 4;
const AMAZON_DNS = 'AmazonProvidedDNS';

type Check = (key: string, values: readonly string[]) => string[];

/** The keys that there are, and what their values may be: they reach the DHCP server's configuration. */
const KEYS: Readonly<Record<string, Check>> = {
  'domain-name': domainName,
  'domain-name-servers': (key, values) =>
    servers(key, values, (value) => (value === AMAZON_DNS ? AMAZON_DNS : ipv4(value))),
  'ntp-servers': (key, values) => servers(key, values, ipv4),
  'netbios-name-servers': (key, values) => servers(key, values, ipv4),
  'netbios-node-type': (key, values) => one(key, values, (value) => /^[1248]$/.test(value)),
};

/** A request's configurations as they are recorded. Throws `MissingParameter`, `InvalidParameterValue`. */
export function requestedConfigurations(
  requested: readonly NewDhcpConfiguration[],
): DhcpOptions['configurations'] {
  if (requested.length === 0)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter dhcpConfiguration', {
      hint: `one of ${Object.keys(KEYS).join(', ')}`,
    });
  const found: Record<string, string[]> = {};
  for (const { Key = '', Values = [] } of requested) {
    const check = Object.hasOwn(KEYS, Key) ? KEYS[Key] : undefined;
    if (check === undefined)
      throw new Ec2Error('InvalidParameterValue', `Value (${Key}) for parameter key is invalid.`, {
        hint: `one of ${Object.keys(KEYS).join(', ')}`,
      });
    if (Key in found) throw invalid(Key, Values, 'each key once');
    found[Key] = check(Key, Values);
  }
  return found;
}

/** One name, or several with a space between them, as resolvers take a search list (AWS: "DHCP option set parameters"). */
function domainName(key: string, values: readonly string[]): string[] {
  const label = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
  const name = new RegExp(`^${label}(?:\\.${label})*$`);
  return one(
    key,
    values,
    (value) => value.length <= 253 && value.split(' ').every((each) => name.test(each)),
  );
}

function one(key: string, values: readonly string[], isValid: (value: string) => boolean): string[] {
  const [value, ...others] = values;
  if (value === undefined || others.length > 0) throw invalid(key, values, 'one value');
  if (!isValid(value))
    throw invalid(key, values, key === 'domain-name' ? 'like lab.example' : '1, 2, 4 or 8');
  return [value];
}

function servers(
  key: string,
  values: readonly string[],
  checked: (value: string) => string | undefined,
): string[] {
  if (values.length === 0 || values.length > MAX_SERVERS)
    throw invalid(key, values, `from one to ${MAX_SERVERS} addresses`);
  return values.map((value) => {
    const address = checked(value);
    if (address === undefined)
      throw invalid(
        key,
        values,
        `'${value}' is no IPv4 address${key === 'domain-name-servers' ? `, nor ${AMAZON_DNS}` : ''}`,
      );
    return address;
  });
}

/** Of DHCP for IPv4, which says nothing else. */
function ipv4(value: string): string | undefined {
  return parseIpv4(value) === undefined ? undefined : value;
}

function invalid(key: string, values: readonly string[], hint: string): Ec2Error {
  return new Ec2Error(
    'InvalidParameterValue',
    `Value (${values.join(', ')}) for parameter ${key} is invalid.`,
    { hint },
  );
}
