import type { Db } from '../store/database.ts';
import type { Ground } from '../host/ground.ts';
import type { Layout } from '../store/layout.ts';

/** What every action works with; made once by main.ts (or agent.ts) and passed down. */
export interface Ec2Context {
  readonly db: Db;
  readonly layout: Layout;
  /** What the VPCs' networks stand on. */
  readonly ground: Ground;
  /** Folder of the shipped catalog and recipes. */
  readonly catalog: string;
  /** Now, for records. Time-outs use the monotonic clock instead. */
  readonly now: () => Date;
  /** Aborted by Ctrl-C; work stops at its next step boundary and undoes what it began. */
  readonly signal: AbortSignal;
  /** Tells a person what goes on; the CLI prints it, the agent logs it. */
  readonly report: Report;
  /** The program to start when the agent is needed (dist/agent.js). */
  readonly agentScript: string;
  readonly region: string;
  readonly ownerId: string;
}

export interface Report {
  /** A step of long work. `done` and `total` share a unit of the caller's choice; bytes when `unit` says so. */
  progress(step: Progress): void;
  info(message: string): void;
  warn(message: string): void;
}

export interface Progress {
  readonly label: string;
  readonly done?: number;
  readonly total?: number;
  readonly unit?: 'bytes' | 'seconds';
}
