import { commandOf, hasOpen, processesThat, textAt } from '../process/processes.ts';

/** `TCP_LISTEN` of the kernel's include/net/tcp_states.h, as /proc/net/tcp has it. */
const LISTENING = '0A';

/** Who listens on a TCP port of this host, in words; undefined when it is nobody or none of our business. */
export function listenerOn(port: number): string | undefined {
  for (const inode of inodesListeningOn(port)) {
    const [pid] = processesThat((each) => hasOpen(each, `socket:[${inode}]`));
    if (pid !== undefined) return `'${commandOf(pid)[0] ?? '?'}' (pid ${pid})`;
  }
  return undefined;
}

/** proc_net_tcp (Linux Documentation): the local address and port, the state and the inode are fields 1, 3 and 9. */
function inodesListeningOn(port: number): readonly string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((path) => (textAt(path) ?? '').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(suffix) === true && state === LISTENING)
    .flatMap((fields) => fields[9] ?? []);
}
