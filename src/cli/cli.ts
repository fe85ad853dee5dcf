import { existsSync } from 'node:fs';
import yargs from 'yargs';
import { BonamiError, Interrupted, messageOf, UsageError } from '../core/errors.ts';
import type { Ec2Context, Report } from '../ec2/context.ts';
import { COMMANDS } from './commands.ts';
import type { CommandTools } from './define-command.ts';
import { Output } from './output.ts';

/** What a shell reports of a program whose reader has gone (128 + SIGPIPE). */
const OUTPUT_CLOSED = 141;

/** What main.ts gives the command line: how to open a context, and how to watch host commands. */
export interface Composition {
  readonly version: string;
  open(parts: { readonly signal: AbortSignal; readonly report: Report }): Ec2Context;
  onHostCommand(listener: (line: string) => void): void;
}

/**
 * Runs one command line and resolves to its exit code: 0 done, 1 failed, 2 wrong usage, 3 a smoke test's verdict,
 * 130 interrupted.
 */
export async function runCli(argv: readonly string[], composition: Composition): Promise<number> {
  const separator = argv.indexOf('--');
  const own = separator < 0 ? [...argv] : argv.slice(0, separator);
  const out = new Output({
    json: own.includes('--json'),
    quiet: own.includes('--quiet') || own.includes('-q'),
    stdout: process.stdout,
    stderr: process.stderr,
  });
  if (own.includes('--verbose')) composition.onHostCommand((line) => out.info(`+ ${line}`));
  const interrupt = interruptSignal(out);
  let exitCode = 0;
  let context: Ec2Context | undefined;
  const tools: CommandTools = {
    out,
    signal: interrupt.signal,
    open: () => (context ??= composition.open({ signal: interrupt.signal, report: out })),
    exitWith: (code) => {
      exitCode = code;
    },
    rest: separator < 0 ? [] : argv.slice(separator + 1),
  };
  try {
    await parser(own, tools, composition.version).parseAsync();
  } catch (error) {
    exitCode = codeOf(error, interrupt.signal);
    if (out.isClosed) return OUTPUT_CLOSED;
    if (interrupt.signal.aborted) out.error(interrupted(error));
    else out.error(error);
  } finally {
    if (context !== undefined) await keepSshConfig(context);
    out.settle();
    interrupt.stop();
  }
  if (out.isClosed) return OUTPUT_CLOSED;
  return exitCode;
}

/** An installed OpenSSH configuration follows whatever a command has changed. */
async function keepSshConfig(ctx: Ec2Context): Promise<void> {
  if (!existsSync(ctx.layout.sshConfig)) return;
  try {
    const { refreshSshConfig } = await import('../ec2/instances/ssh-config-file.ts');
    refreshSshConfig(ctx);
  } catch (error) {
    ctx.report.warn(`'${ctx.layout.sshConfig}' is not up to date: ${messageOf(error)}`);
  }
}

function parser(argv: readonly string[], tools: CommandTools, version: string): ReturnType<typeof yargs> {
  const root = yargs([...argv])
    .scriptName('bonami')
    .usage('$0 <command>\n\nEC2 on your own Linux box: real machine images, real virtual machines.')
    .version(version)
    .alias('h', 'help')
    .option('json', { type: 'boolean', describe: "print EC2's response as JSON", global: true })
    .option('quiet', { type: 'boolean', alias: 'q', describe: 'no progress, no notices', global: true })
    .option('verbose', { type: 'boolean', describe: 'print every host command as it runs', global: true })
    .parserConfiguration({ 'parse-positional-numbers': false, 'camel-case-expansion': true })
    .demandCommand(1, 'Which command? See bonami --help')
    .recommendCommands()
    .strict()
    .completion('completion', 'print a completion script for your shell')
    .epilogue('Start with: bonami run -n web --wait ssh   then: bonami ssh web')
    .wrap(Math.min(110, process.stdout.columns || 100))
    .exitProcess(false)
    .fail((message, error) => {
      // yargs reports its own complaints as a message, and what a handler threw as the error.
      if (error instanceof BonamiError || (error !== undefined && !message)) throw error;
      throw usageError(message, argv);
    });
  for (const command of COMMANDS) command.register(root, tools);
  return root;
}

/** yargs' complaint in our words, with the help text that it belongs to. */
function usageError(message: string, [word = '']: readonly string[]): UsageError {
  if (message === `Unknown argument: ${word}` || message === `Unknown command: ${word}`)
    return new UsageError(`'${word}' is not a command`, { hint: 'bonami --help' });
  return new UsageError(message || 'wrong usage', {
    hint: `bonami ${word.startsWith('-') ? '' : `${word} `}--help`,
  });
}

function codeOf(error: unknown, signal: AbortSignal): number {
  if (signal.aborted || error instanceof Interrupted) return 130;
  return error instanceof UsageError ? 2 : 1;
}

/** Whatever failed on the way out, the reason is the person's Ctrl-C; only what it left is worth saying. */
function interrupted(error: unknown): Interrupted {
  return error instanceof Interrupted
    ? error
    : new Interrupted('interrupted; what was begun has been undone or is finished by the next command', {
        hint: 'bonami ls -a',
      });
}

/** The first Ctrl-C asks for a clean way out; the second one leaves at once, and the next command tidies up. */
function interruptSignal(out: Output): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  out.onClosed(() => controller.abort(new Interrupted()));
  const listener = (): void => {
    if (controller.signal.aborted) process.kill(process.pid, 'SIGKILL');
    controller.abort(new Interrupted());
    // Most commands are out in a moment and need no explanation.
    setTimeout(
      () => out.info('interrupted: ending at the next safe step (again to leave at once)'),
      300,
    ).unref();
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, listener);
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, listener);
    },
  };
}
