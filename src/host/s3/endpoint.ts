import { lookup } from 'node:dns';
import { Agent } from 'node:http';
import { type LookupFunction, isIP } from 'node:net';
import { HostError } from '../../core/errors.ts';
import { isPublicAddress } from '../../core/public-address.ts';

export interface PlainHttp {
  /**
   * Lets http reach the public internet too. Requests are signed, but nothing is encrypted: whoever is on the way
   * reads the object and the session token. On the loopback and in private networks that is the user's own matter.
   */
  readonly allowPlainHttp?: boolean | undefined;
}

/**
 * The URL of a store that the user named, so private addresses are fine. Throws `InvalidEndpoint`, or
 * `AddressNotAllowed` for plain http to a public address; names are looked at when they are connected to, see
 * `plainHttpAgent`.
 */
export function parseEndpoint(text: string, { allowPlainHttp = false }: PlainHttp = {}): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isWeb = url !== undefined && ['http:', 'https:'].includes(url.protocol);
  // What stands before an @ may be a password: it is not repeated.
  if (!isWeb || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new HostError(
      'InvalidEndpoint',
      `'${isWeb ? url.host : text.replace(/.*@|\p{Cc}/gu, '')}' is not the URL of an S3 store`,
      { hint: 'like https://minio.example.net:9000' },
    );
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (url.protocol === 'http:' && !allowPlainHttp && isIP(host) !== 0) requirePrivate(host, host);
  return url;
}

/**
 * Connections for http. A name's addresses are checked in the lookup that connects, so that no answer can change
 * between check and use.
 */
export function plainHttpAgent({ allowPlainHttp = false }: PlainHttp = {}, resolve = lookup): Agent {
  return new Agent({ keepAlive: true, ...(allowPlainHttp ? {} : { lookup: privateLookup(resolve) }) });
}

function privateLookup(resolve: typeof lookup): LookupFunction {
  return (name, options, callback) => {
    resolve(name, { ...options, all: true }, (error, addresses) => {
      try {
        if (error) throw error;
        for (const { address } of addresses) requirePrivate(address, name);
      } catch (refusal) {
        callback(refusal as HostError, []);
        return;
      }
      const [first] = addresses;
      if (options.all) callback(null, addresses);
      else callback(null, first?.address ?? '', first?.family);
    });
  };
}

function requirePrivate(address: string, name: string): void {
  if (!isPublicAddress(address)) return;
  const where = name === address ? '' : ` (${address})`;
  throw new HostError(
    'AddressNotAllowed',
    `'http://${name}'${where} is on the public internet, and plain http encrypts nothing`,
    { hint: `use https://${name}` },
  );
}
