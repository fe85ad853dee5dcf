import { styleText } from 'node:util';
import { BonamiError, messageOf } from '../core/errors.ts';
import type { Progress, Report } from '../ec2/context.ts';

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

const ESCAPE = '\u001B';

/** Control characters of names, tags and guests must not reach a terminal; colours, which are ours, may. */
function printable(text: string): string {
  return text.replaceAll(/(?![\n\t])\p{Cc}/gu, (character, at: number) =>
    character === ESCAPE && /^\[[\d;]*m/.test(text.slice(at + 1, at + 12)) ? character : '\uFFFD',
  );
}

function printableLine(text: string): string {
  return printable(text).replaceAll('\n', '\uFFFD');
}

type Style = Parameters<typeof styleText>[0];

/**
 * The one place that prints. Results go to standard output, as a table or as EC2's response in JSON; progress,
 * notices and errors go to standard error. On a terminal progress is one line that is redrawn; elsewhere a line
 * per step.
 */
export class Output implements Report {
  readonly #options: OutputOptions;
  #isClosed = false;
  #drawn = false;
  #lastLabel = '';
  #lastDraw = 0;
  /** When the present step began, and at what amount. */
  #pace: Pace = { since: 0, from: 0 };

  constructor(options: OutputOptions) {
    this.#options = options;
  }

  /** Whether whoever read our standard output has gone: `bonami ls | head -1`. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  onClosed(listener: () => void): void {
    this.#options.stdout.on('error', () => {
      this.#isClosed = true;
      listener();
    });
  }

  get isJson(): boolean {
    return this.#options.json;
  }

  /** With `--json` the response, otherwise what `human` prints. */
  result(response: unknown, human: () => void): void {
    this.#clear();
    if (this.#options.json) this.#options.stdout.write(`${JSON.stringify(response, null, 2)}\n`);
    else human();
  }

  line(text = ''): void {
    this.#clear();
    this.#options.stdout.write(`${printable(text)}\n`);
  }

  raw(text: string): void {
    this.#clear();
    this.#options.stdout.write(text);
  }

  /** Columns as wide as their widest cell; headings in bold on a terminal. */
  table(headings: readonly string[], rows: readonly (readonly string[])[]): void {
    const lines = rows.map((row) => row.map(printableLine));
    const widths = headings.map((heading, column) =>
      Math.max(heading.length, ...lines.map((row) => (row[column] ?? '').length)),
    );
    const format = (cells: readonly string[]): string =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd();
    this.line(this.#paint(this.#options.stdout, 'bold', format(headings)));
    for (const row of lines) this.line(format(row));
  }

  /** `name: value` lines, the names aligned; undefined values are left out. */
  facts(pairs: readonly (readonly [name: string, value: string | undefined])[]): void {
    const known = pairs.filter(
      (pair): pair is readonly [string, string] => pair[1] !== undefined && pair[1] !== '',
    );
    const width = Math.max(...known.map(([name]) => name.length));
    for (const [name, value] of known)
      this.line(`${this.#paint(this.#options.stdout, 'bold', name.padEnd(width))}  ${printableLine(value)}`);
  }

  info(message: string): void {
    this.#note(message);
  }

  warn(message: string): void {
    this.#note(`${this.#paint(this.#options.stderr, 'yellow', 'warning:')} ${message}`);
  }

  progress(step: Progress): void {
    const { stderr, quiet } = this.#options;
    if (quiet) return;
    if (!stderr.isTTY) {
      if (step.label !== this.#lastLabel) stderr.write(`${printable(step.label)}\n`);
      this.#lastLabel = step.label;
      return;
    }
    const now = performance.now();
    if (step.label === this.#lastLabel && now - this.#lastDraw < 80) return;
    if (step.label !== this.#lastLabel) this.#pace = { since: now, from: step.done ?? 0 };
    this.#lastLabel = step.label;
    this.#lastDraw = now;
    const text = printableLine(`${step.label}${amount(step)}${pace(step, this.#pace, now)}`);
    stderr.write(`\r\u001b[2K${text.slice(0, Math.max(20, (stderr.columns || 80) - 1))}`);
    this.#drawn = true;
  }

  /** Three parts: code and sentence, what explains it, what to type next. */
  error(error: unknown): void {
    this.#clear();
    const { stderr } = this.#options;
    const known = error instanceof BonamiError;
    const code = known && error.code !== 'Usage' ? `${error.code}: ` : '';
    stderr.write(`${this.#paint(stderr, 'red', 'error:')} ${code}${printable(messageOf(error))}\n`);
    if (known) for (const line of error.details) stderr.write(`  ${printable(line)}\n`);
    for (
      let cause = error instanceof Error ? error.cause : undefined;
      cause instanceof Error;
      cause = cause.cause
    )
      if (!messageOf(error).includes(cause.message)) stderr.write(`  because: ${printable(cause.message)}\n`);
    if (known && error.hint !== undefined)
      stderr.write(`  ${this.#paint(stderr, 'cyan', 'try:')} ${error.hint}\n`);
    if (!known && error instanceof Error && process.env['BONAMI_LOG'] !== undefined)
      stderr.write(`${error.stack ?? ''}\n`);
  }

  /** Ends a redrawn line, so that whatever comes next starts on its own. */
  settle(): void {
    this.#clear();
  }

  paint(style: Style, text: string): string {
    return this.#paint(this.#options.stdout, style, text);
  }

  #note(message: string): void {
    if (this.#options.quiet) return;
    this.#clear();
    this.#options.stderr.write(`${printable(message)}\n`);
  }

  #paint(stream: NodeJS.WriteStream, style: Style, text: string): string {
    const wanted = stream.isTTY && process.env['NO_COLOR'] === undefined;
    return wanted ? styleText(style, text) : text;
  }

  #clear(): void {
    if (this.#drawn) this.#options.stderr.write('\r\u001b[2K');
    this.#drawn = false;
  }
}

function amount({ done, total, unit }: Progress): string {
  if (done === undefined) return '';
  if (unit === 'seconds') return ` (${done} s)`;
  const show = (value: number): string => (unit === 'bytes' ? formatBytes(value) : String(value));
  if (total === undefined || total === 0) return ` ${show(done)}`;
  const filled = Math.min(20, Math.round((done / total) * 20));
  return ` [${'#'.repeat(filled)}${'.'.repeat(20 - filled)}] ${Math.floor((done / total) * 100)}% of ${show(total)}`;
}

interface Pace {
  readonly since: number;
  readonly from: number;
}

/** Too early to tell a rate. */
const PACE_AFTER_MS = 1000;

/** `, 12.3 MiB/s, 2m left` of work in bytes that has gone on for a while. */
function pace({ done, total, unit }: Progress, { since, from }: Pace, now: number): string {
  const elapsed = now - since;
  if (unit !== 'bytes' || done === undefined || elapsed < PACE_AFTER_MS || done <= from) return '';
  const perSecond = ((done - from) / elapsed) * 1000;
  const rate = `, ${formatBytes(perSecond)}/s`;
  if (total === undefined || total <= done) return rate;
  const seconds = Math.ceil((total - done) / perSecond);
  return `${rate}, ${seconds < 100 ? `${seconds}s` : `${Math.ceil(seconds / 60)}m`} left`;
}

/** 1536 → `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power] ?? 'B'}`;
}

/** The time since then in the largest whole unit: `3m`, `2h`, `5d`. */
export function formatAge(since: Date | undefined, now: Date): string {
  if (since === undefined) return '';
  const seconds = Math.max(0, Math.round((now.getTime() - since.getTime()) / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}
