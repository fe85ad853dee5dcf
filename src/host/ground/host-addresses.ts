// What passes the traffic to the outside is a program of this host, to which the host's own services are open: machines
// are kept away from the host's addresses, as the host's firewall keeps those of root's networks.
import { writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { ipBatch } from '../link/namespace.ts';
import { textAt } from '../process/processes.ts';
import type { Anchor } from './anchor.ts';

/** In the anchor's own /run: the addresses that are hidden there, a line each. */
const HIDDEN = '/run/bonami-hidden';

/** Every address of this host that could be reached from elsewhere; one of each, in order. */
export function hostAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const addresses = all
    .map(({ address }) => address)
    .filter((address) => !/^(127\.|::1$|fe80:)/.test(address));
  return [...new Set(addresses)].toSorted();
}

export function areHidden(anchor: Anchor, addresses: readonly string[]): boolean {
  return hidden(anchor).join() === addresses.join();
}

/** Makes these addresses, and no others, unreachable from the anchor's network. */
export async function hideAddresses(anchor: Anchor, addresses: readonly string[]): Promise<void> {
  const before = hidden(anchor);
  await ipBatch(anchor.namespace, [
    ...before.filter((each) => !addresses.includes(each)).map((each) => `route del prohibit ${each}`),
    ...addresses.filter((each) => !before.includes(each)).map((each) => `route replace prohibit ${each}`),
  ]);
  writeFileSync(`${anchor.root}${HIDDEN}`, addresses.join('\n'));
}

function hidden({ root }: Anchor): readonly string[] {
  return (textAt(`${root}${HIDDEN}`) ?? '').split('\n').filter((line) => line !== '');
}
