// What an explanation consists of.

/** Where on its way a packet is judged; what begins with `answer-` is about what comes back. */
export type Stage =
  | 'interface'
  | 'guard'
  | 'tracking'
  | 'egress'
  | 'route'
  | 'acl-out'
  | 'peering'
  | 'gateway'
  | 'translation'
  | 'host'
  | 'service'
  | 'destination'
  | 'acl-in'
  | 'ingress'
  | 'forwarding'
  | 'answer-route'
  | 'answer-acl-out'
  | 'answer-acl-in';

export interface Step {
  readonly stage: Stage;
  /** `allow` by a rule that says so, `pass` where nothing objects, `drop`. */
  readonly verdict: 'allow' | 'pass' | 'drop';
  /** The rule, entry, route or guard that decides, by its id. */
  readonly by: string;
  /** What to type for another verdict. */
  readonly hint?: string;
}

export interface Explanation {
  readonly verdict: 'allowed' | 'dropped';
  /** The first step that drops it. */
  readonly droppedBy: Step | undefined;
  /** In the order of the way; it goes on past what drops, as far as there is a way, so that all that is amiss is seen. */
  readonly steps: readonly Step[];
}

export function pass(stage: Stage, by: string): Step {
  return { stage, verdict: 'pass', by };
}

export function allow(stage: Stage, by: string): Step {
  return { stage, verdict: 'allow', by };
}

export function drop(stage: Stage, by: string, hint?: string): Step {
  return { stage, verdict: 'drop', by, ...(hint === undefined ? {} : { hint }) };
}
