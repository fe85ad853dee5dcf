import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { containsAddress, parseIpv4 } from '../../core/cidr.ts';
import { ipBatch, type Namespace } from './namespace.ts';
import { hostNetworks } from './uplink.ts';

export interface LanRequest {
  /** Remembers what we answer for: an entry does not tell whose it is. */
  readonly note: string;
  readonly addresses: readonly string[];
  /** Others that somebody else answers for now, if it was us before. */
  readonly elsewhere: readonly string[];
}

interface Entry {
  readonly address: string;
  readonly device: string;
}

/**
 * Makes the host answer ARP for exactly these addresses on the links to whose networks they belong (ip-neighbour(8),
 * "proxy"), and no longer for those that it answered for before.
 */
export async function answerOnLan(
  namespace: Namespace,
  { note, addresses, elsewhere }: LanRequest,
): Promise<void> {
  const before = remembered(note);
  if (addresses.length === 0 && before.length === 0) return;
  const links = (await hostNetworks(namespace)).filter(
    ({ kind, cidr }) => kind === 'address' && cidr.prefix < 31,
  );
  const wanted = addresses.flatMap((address) => {
    const link = links.find(({ cidr }) => containsAddress(cidr, parseIpv4(address) ?? -1));
    return link === undefined ? [] : [{ address, device: link.device }];
  });
  const text = ({ address, device }: Entry): string => `${address} dev ${device}`;
  const kept = new Set(wanted.map(text));
  const present = new Set(links.map(({ device }) => device));
  // Noted first: what a crash leaves is taken away by the next one.
  const noted = [...before.filter((each) => !kept.has(text(each))), ...wanted];
  if (noted.length > 0) writeFileSync(note, JSON.stringify(noted), { mode: 0o600 });
  await ipBatch(namespace, [
    ...before
      .filter((each) => !kept.has(text(each)) && !elsewhere.includes(each.address))
      .filter(({ device }) => present.has(device))
      .map((each) => `neigh del proxy ${text(each)}`),
    ...wanted.map((each) => `neigh replace proxy ${text(each)}`),
  ]);
  if (wanted.length > 0) writeFileSync(note, JSON.stringify(wanted), { mode: 0o600 });
  else rmSync(note, { force: true });
}

function remembered(note: string): readonly Entry[] {
  try {
    return JSON.parse(readFileSync(note, 'utf8')) as readonly Entry[];
  } catch {
    return [];
  }
}
