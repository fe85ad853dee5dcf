import { readFileSync } from 'node:fs';
import { parseIpv4 } from '../../core/cidr.ts';

/**
 * The host's real IPv4 name servers. A stub on loopback cannot be reached from another namespace; systemd-resolved
 * keeps what stands behind its own in a second file (systemd-resolved(8)).
 */
export function hostResolvers(
  files: readonly string[] = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'],
): readonly string[] {
  for (const file of files) {
    const servers = nameServers(file).filter((address) => !address.startsWith('127.'));
    if (servers.length > 0) return servers;
  }
  return [];
}

function nameServers(file: string): readonly string[] {
  try {
    return [...readFileSync(file, 'utf8').matchAll(/^nameserver\s+(\S+)/gm)].flatMap(([, address = '']) =>
      parseIpv4(address) === undefined ? [] : [address],
    );
  } catch {
    return [];
  }
}
