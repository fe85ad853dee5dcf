import * as z from 'zod';

export interface Problem {
  readonly severity: 'WARNING' | 'ERROR' | 'CRITICAL';
  /** The cloud-init module, or stage, that reported it. */
  readonly module: string;
  readonly message: string;
}

/** What the guest said of its cloud-init, parsed: every part may be missing or nonsense, for a guest is not trusted. */
export interface GuestAnswers {
  readonly failed: boolean;
  readonly datasource: string | undefined;
  readonly problems: readonly Problem[];
  readonly output: readonly string[];
}

const stage = z.object({
  errors: z.array(z.string()).catch([]),
  recoverable_errors: z.record(z.string(), z.array(z.string())).catch({}),
});
/** cloud-init: /run/cloud-init/status.json. Beside the stages it has `datasource` and `stage`. */
const status = z.object({ v1: z.object({ datasource: z.string().nullish() }).catchall(z.unknown()) });

/** Lines kept per list: a guest may say as much as it likes. */
const LIMIT = 200;
const LOG_LINE = /(?:-\s*)?(\w+)\.py\[(WARNING|ERROR|CRITICAL)\]: (.*)$/;

/** Parses the answers in the order in which cloud-init-report.ts asks; undefined when the guest has no cloud-init status. */
export function parseGuestAnswers([
  statusJson = '',
  ,
  statusText = '',
  log = '',
  output = '',
]: readonly string[]): GuestAnswers | undefined {
  const parsed = status.safeParse(json(statusJson));
  if (!parsed.success) return undefined;
  const stages = Object.entries(parsed.data.v1).flatMap(([name, value]) => {
    const found = stage.safeParse(value);
    return found.success ? [{ name, ...found.data }] : [];
  });
  const errors = stages.flatMap(({ name, errors: list }) =>
    list.map((message): Problem => ({ severity: 'ERROR', module: moduleOf(message) ?? name, message })),
  );
  const recoverable = stages.flatMap(({ name, recoverable_errors: bySeverity }) =>
    Object.entries(bySeverity).flatMap(([severity, list]) =>
      list.map((message): Problem => ({
        // DEPRECATED is one of them, too: nothing failed.
        severity: severity === 'ERROR' || severity === 'CRITICAL' ? severity : 'WARNING',
        module: name,
        message,
      })),
    ),
  );
  return {
    failed: errors.length > 0 || /^status: error/m.test(statusText),
    datasource: parsed.data.v1.datasource?.split(' ')[0],
    problems: distinct([...errors, ...recoverable, ...logProblems(log)]).slice(0, LIMIT),
    output: output
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-LIMIT),
  };
}

/** Releases before 23.4 know no recoverable errors: their warnings are in the log only. */
function logProblems(log: string): readonly Problem[] {
  return log.split('\n').flatMap((line): Problem[] => {
    const [, module, severity, message] = LOG_LINE.exec(line) ?? [];
    if (module === undefined || severity === undefined || message === undefined) return [];
    return [{ module, severity: severity as Problem['severity'], message }];
  });
}

/** `('scripts-user', RuntimeError(…))` names its module. */
function moduleOf(message: string): string | undefined {
  return /^\('([\w-]+)'/.exec(message)?.[1];
}

function distinct(problems: readonly Problem[]): readonly Problem[] {
  return [...new Map(problems.map((problem) => [`${problem.module} ${problem.message}`, problem])).values()];
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
