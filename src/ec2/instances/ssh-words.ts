// What ssh is told of an instance, on its command line as in its configuration.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Instance } from '../../store/instances.ts';
import { keyPairs } from '../../store/key-pairs.ts';
import type { Ec2Context } from '../context.ts';

/** Where the instance's host key is kept. */
export function knownHosts({ layout }: Pick<Ec2Context, 'layout'>, { instanceId }: Instance): string {
  return join(layout.instance(instanceId).folder, 'known_hosts');
}

/** The private key that bonami has kept of the instance's key pair. */
export function keptKey(
  { db, layout }: Pick<Ec2Context, 'db' | 'layout'>,
  { keyName }: Instance,
): string | undefined {
  const [pair] = keyName === null ? [] : keyPairs.listBy(db, 'name', keyName);
  const path = pair ? layout.keyPair(pair.keyPairId).privateKey : undefined;
  return path !== undefined && existsSync(path) ? path : undefined;
}

/** A path as a value of ssh_config(5): spaces need quotes, and `%` begins a token. */
export function sshValue(path: string): string {
  const text = path.replaceAll('%', '%%');
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}
