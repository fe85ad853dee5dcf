export interface ErrorDetails {
  /** What to type or change next. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Lines that explain more (a console's last lines, say); printed as they are, below the message. */
  readonly details?: readonly string[];
}

/** An error that is meant to be read: a code, one sentence that names the culprit, and a hint that can be typed. */
export class BonamiError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly details: readonly string[];

  constructor(code: string, message: string, { hint, cause, details }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.details = details ?? [];
  }
}

/** The caller's fault in EC2's own words: `code` is EC2's spelling (AWS: "Error codes for the Amazon EC2 API"). */
export class Ec2Error extends BonamiError {
  override readonly name = 'Ec2Error';
}

/** The host lacks or refuses something: a missing program, a permission, a full disk. */
export class HostError extends BonamiError {
  override readonly name = 'HostError';
}

/** The command line itself is wrong: exit code 2. */
export class UsageError extends BonamiError {
  override readonly name = 'UsageError';

  constructor(message: string, details: ErrorDetails = {}) {
    super('Usage', message, details);
  }
}

/** Ctrl-C or SIGTERM reached a step boundary; what was begun has been undone. Exit code 130. */
export class Interrupted extends BonamiError {
  override readonly name = 'Interrupted';

  constructor(message = 'interrupted', details: ErrorDetails = {}) {
    super('Interrupted', message, details);
  }
}

/** The message of anything thrown, without its stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The system's error code (`ENOENT`, `EACCES`, …) of a Node error, if it has one. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
