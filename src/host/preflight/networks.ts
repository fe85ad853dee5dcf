// What networks are made of, tried in namespaces that live as long as the trial, and what else is on this host.
import { readFileSync } from 'node:fs';
import { overlaps, parseCidr } from '../../core/cidr.ts';
import { run } from '../command.ts';
import { tablesOf } from '../firewall/apply.ts';
import { OWN_NAMESPACE } from '../link/namespace.ts';
import { hostNetworks } from '../link/uplink.ts';
import type { Finding } from './finding.ts';

const LINKS = `link add b0 type bridge
link add v0 type veth peer name v1
link set v0 master b0
link set v0 type bridge_slave isolated on
`;
const TAP = `tuntap add t0 mode tap
`;
const TABLES = `table inet t {
  chain c {
    type filter hook forward priority 0; policy drop;
    ct state established accept
  }
  chain n {
    type nat hook postrouting priority srcnat;
    oifname "lo" masquerade
  }
}
table netdev g {
  chain c {
    type filter hook ingress device "lo" priority 0; policy accept;
  }
}
`;

/** `alone`: words before a command that is to run in namespaces of its own. */
export async function links(alone: readonly string[]): Promise<Finding> {
  await tryAlone([...alone, 'ip', '-batch', '-'], LINKS);
  return { name: 'links', status: 'ok', fact: 'bridge, veth and isolated ports work' };
}

export async function taps(alone: readonly string[]): Promise<Finding> {
  await tryAlone([...alone, 'ip', '-batch', '-'], TAP);
  return { name: 'taps', status: 'ok', fact: 'taps can be made' };
}

export async function firewall(alone: readonly string[]): Promise<Finding> {
  await tryAlone([...alone, 'nft', '-f', '-'], TABLES);
  return { name: 'firewall', status: 'ok', fact: 'nftables takes inet and netdev tables' };
}

async function tryAlone([command = '', ...args]: readonly string[], input: string): Promise<void> {
  await run(command, args, { input });
}

/** Root's networks are forwarded by the host itself, past its other firewalls. */
export async function foreignFirewalls(): Promise<readonly Finding[]> {
  const tables = await tablesOf(OWN_NAMESPACE);
  const found: Finding[] = [];
  const passed = 'what goes to and from instances is let through when the first network is built';
  if (tables.some((table) => /firewalld/.test(table)))
    found.push({ name: 'firewalld', status: 'info', fact: `firewalld is on: ${passed}` });
  if (tables.includes('ip filter')) {
    const { stdout } = await run('nft', ['list', 'chain', 'ip', 'filter', 'FORWARD'], { answers: [1] });
    if (/policy drop/.test(stdout)) {
      const name = stdout.includes('DOCKER') ? 'docker' : 'forwarding';
      const who = name === 'docker' ? 'Docker' : 'a firewall';
      found.push({ name, status: 'info', fact: `${who} drops forwarded traffic: ${passed}` });
    }
  }
  return found;
}

export function forwarding(): Finding {
  const isOn = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1';
  return {
    name: 'forwarding',
    status: isOn ? 'ok' : 'info',
    fact: isOn ? 'on' : 'off; the first launch switches it on',
  };
}

export async function networkClash(ownLinks: readonly string[]): Promise<Finding> {
  const vpc = parseCidr('172.31.0.0/16');
  const clash = (await hostNetworks(OWN_NAMESPACE)).find(
    ({ cidr, device }) => !ownLinks.includes(device) && overlaps(cidr, vpc),
  );
  if (clash === undefined)
    return { name: 'network', status: 'ok', fact: '172.31.0.0/16 is free for the default VPC' };
  return {
    name: 'network',
    status: 'info',
    fact: `this host uses 172.31.0.0/16 itself (${clash.device}): a new default VPC gets another block`,
  };
}
