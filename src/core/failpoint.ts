/**
 * Dies here, as `kill -9` would, when BONAMI_FAILPOINT names this point. Crash recovery is proved by killing the
 * process after every single side effect; the names are listed in `FAILPOINTS` so that a test can walk them all.
 */
export function failpoint(name: Failpoint): void {
  if (process.env['BONAMI_FAILPOINT'] === name) process.kill(process.pid, 'SIGKILL');
}

export const FAILPOINTS = {
  import: [
    'import:planned',
    'import:taken',
    'import:arrived',
    'import:snapshots',
    'import:published',
    'import:recorded',
  ],
  snapshot: ['snapshot:planned', 'freeze:layers', 'freeze:added', 'freeze:redirected', 'snapshot:kept'],
  launch: [
    'launch:planned',
    'launch:folders',
    'launch:volumes',
    'launch:network',
    'launch:interface',
    'launch:metadata',
    'launch:machine',
    'launch:continued',
    'launch:recorded',
  ],
  attach: ['attach:recorded', 'attach:interface', 'attach:nic'],
  detach: ['detach:nic', 'detach:interface', 'detach:recorded'],
  stop: ['stop:planned', 'stop:machine', 'stop:interface', 'stop:recorded', 'stop:network'],
  terminate: [
    'terminate:planned',
    'terminate:machine',
    'terminate:interface',
    'terminate:volumes',
    'terminate:recorded',
    'terminate:network',
  ],
} as const;

export type Failpoint = (typeof FAILPOINTS)[keyof typeof FAILPOINTS][number];
