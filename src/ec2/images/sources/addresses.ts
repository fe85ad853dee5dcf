// A name is resolved once, all its addresses are checked, and the connection goes to a checked address, so that no
// answer can change between check and use.
import { lookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError, errnoOf, messageOf } from '../../../core/errors.ts';
import { mayConnect } from '../../../core/public-address.ts';

export interface AddressRules {
  readonly signal: AbortSignal;
  /** Until the connection stands, names included: an offline host finds out soon. */
  readonly connectTimeoutMs?: number;
  /** Names of hosts that may be in a private network, as the user typed them. */
  readonly allowedHosts?: readonly string[];
  /** Judges addresses instead of all rules; for tests. */
  readonly isAllowed?: (address: string) => boolean;
}

export const CONNECT_TIMEOUT_MS = 5000;

interface CheckedAddress {
  readonly address: string;
  readonly family: number;
}

/** All addresses of a URL's host. Throws `Unreachable`, and `AddressNotAllowed` when one of them is forbidden. */
export async function checkedAddresses(
  { hostname }: URL,
  { allowedHosts = [], isAllowed, connectTimeoutMs = CONNECT_TIMEOUT_MS, signal }: AddressRules,
): Promise<readonly CheckedAddress[]> {
  const name = hostname.replace(/^\[(.*)\]$/, '$1');
  const over = new AbortController();
  const addresses = await Promise.race([
    lookup(name, { all: true }).catch((cause: unknown) =>
      unresolved(name, errnoOf(cause) ?? messageOf(cause)),
    ),
    sleep(connectTimeoutMs, undefined, { signal: over.signal, ref: false }).then(() =>
      unresolved(name, `no answer in ${connectTimeoutMs} ms`),
    ),
  ]).finally(() => over.abort());
  signal.throwIfAborted();
  const accept = isAllowed ?? ((address: string): boolean => mayConnect(name, address, allowedHosts));
  const forbidden = addresses.find(({ address }) => !accept(address));
  if (forbidden)
    throw new HostError(
      'AddressNotAllowed',
      `'${name}' is ${forbidden.address}, which is not an address on the public internet`,
      mayConnect(name, forbidden.address, [name]) ? { hint: `--allow-host ${name}` } : {},
    );
  return addresses;
}

/** A name lookup that only ever gives the addresses which were checked. */
export function answering(addresses: readonly CheckedAddress[]): LookupFunction {
  return (_name, { all }, callback) => {
    const [first] = addresses;
    if (all) callback(null, [...addresses]);
    else callback(null, first?.address ?? '', first?.family ?? 4);
  };
}

function unresolved(name: string, why: string): never {
  throw new HostError('Unreachable', `'${name}' cannot be reached: its name has no address (${why})`);
}
