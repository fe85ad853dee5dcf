// cloud-init's own verdict on a boot, asked of the guest by SSH where that works and read from the console where
// it does not (user data may well have broken SSH).
import type { Instance } from '../../store/instances.ts';
import type { Ec2Context } from '../context.ts';
import { runInInstance } from './connect.ts';
import type { Readiness, TimedMark } from './readiness.ts';
import { parseGuestAnswers, type GuestAnswers, type Problem } from './guest-answers.ts';

export interface StageTime {
  readonly name: string;
  /** Seconds since the guest's kernel started. */
  readonly startedAt: number;
  readonly seconds: number;
}

export interface CloudInitReport {
  readonly instanceId: string;
  /** `degraded`: it finished, with recoverable errors (cloud-init documentation, "Failure states"). */
  readonly verdict: 'done' | 'degraded' | 'error';
  readonly version: string;
  readonly datasource: string;
  readonly stages: readonly StageTime[];
  readonly problems: readonly Problem[];
  /** The end of what user data's own commands printed; empty when nothing went wrong. */
  readonly output: readonly string[];
  /** Where the verdict comes from. */
  readonly source: 'guest' | 'console';
}

/** How long SSH and the guest's answer may take; the console serves otherwise. */
const ASK_TIMEOUT_MS = 60_000;
/** One round trip: cloud-init's files, apart by a line that none of them contains. */
const SEPARATOR = '--- bonami ---';
const QUESTIONS = [
  'cat /run/cloud-init/status.json',
  'cat /run/cloud-init/result.json',
  'cloud-init status --long',
  "grep -hE '\\[(WARNING|ERROR|CRITICAL)\\]' /var/log/cloud-init.log",
  'tail -n 25 /var/log/cloud-init-output.log',
];

/** The verdict on the boot that `readiness` watched to its end. Never throws for what the guest says or does not say. */
export async function cloudInitReport(
  ctx: Ec2Context,
  instance: Instance,
  readiness: Readiness,
): Promise<CloudInitReport> {
  const answers = instance.firstBoot === 'cloud-init' ? await ask(ctx, instance) : undefined;
  return judge(instance.instanceId, readiness.marks, answers);
}

async function ask(ctx: Ec2Context, instance: Instance): Promise<GuestAnswers | undefined> {
  const script = QUESTIONS.map((question) => `${question} 2>/dev/null`).join(`; echo '${SEPARATOR}'; `);
  try {
    const { stdout } = await runInInstance(ctx, instance, [script], { timeoutMs: ASK_TIMEOUT_MS });
    return parseGuestAnswers(stdout.split(`${SEPARATOR}\n`));
  } catch (error) {
    if (ctx.signal.aborted) throw error;
    return undefined;
  }
}

/** Pure: marks and answers in, verdict out. The guest's own words count more than what reached the console. */
export function judge(
  instanceId: string,
  marks: readonly TimedMark[],
  answers: GuestAnswers | undefined,
): CloudInitReport {
  const finished = marks.find((mark) => mark.kind === 'finished');
  const fromConsole = marks.flatMap((mark) =>
    mark.kind === 'problem' ? [{ severity: mark.severity, module: mark.module, message: mark.message }] : [],
  );
  const problems = answers?.problems ?? fromConsole;
  const failed = answers
    ? answers.failed
    : fromConsole.some(({ severity }) => severity !== 'WARNING') || scriptFailed(fromConsole);
  const verdict = failed ? 'error' : problems.length > 0 ? 'degraded' : 'done';
  return {
    instanceId,
    verdict,
    version: finished?.kind === 'finished' ? finished.version : '',
    datasource: answers?.datasource ?? (finished?.kind === 'finished' ? finished.datasource : ''),
    stages: stageTimes(marks),
    problems,
    output: verdict === 'done' ? [] : (answers?.output ?? []),
    source: answers ? 'guest' : 'console',
  };
}

/** cloud-init reports a failed module by a WARNING of util.py, and then counts it as an error in its result. */
function scriptFailed(problems: readonly Problem[]): boolean {
  return problems.some(({ message }) =>
    /Failed to run module|Failed running|failed \d+ .*modules?/i.test(message),
  );
}

function stageTimes(marks: readonly TimedMark[]): readonly StageTime[] {
  const timed = marks.flatMap((mark) =>
    mark.kind === 'stage' ? [{ name: mark.name, at: mark.upSeconds }] : [],
  );
  const end = marks.find((mark) => mark.kind === 'finished');
  const ends = [...timed.slice(1).map(({ at }) => at), end?.kind === 'finished' ? end.upSeconds : Number.NaN];
  return timed.flatMap(({ name, at }, index) => {
    const seconds = (ends[index] ?? Number.NaN) - at;
    return Number.isNaN(seconds) ? [] : [{ name, startedAt: at, seconds: Math.round(seconds * 100) / 100 }];
  });
}
