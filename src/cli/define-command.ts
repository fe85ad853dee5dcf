import type { Argv, ArgumentsCamelCase, InferredOptionTypes, Options } from 'yargs';
import { UsageError } from '../core/errors.ts';
import type { Ec2Context } from '../ec2/context.ts';
import type { Output } from './output.ts';

/** What a command's handler gets. The context is opened on demand: `--help` and usage errors touch nothing. */
export interface CommandTools {
  readonly out: Output;
  readonly open: () => Ec2Context;
  /** Aborted by Ctrl-C; the context's own signal is the same. */
  readonly signal: AbortSignal;
  /** Exit code of the whole command; 0 unless set. */
  readonly exitWith: (code: number) => void;
  /** Words after `--`. */
  readonly rest: readonly string[];
}

export interface CommandDeclaration<O extends Readonly<Record<string, Options>>> {
  /** yargs' notation: `ssh <id>`; positionals are declared among the options too. */
  readonly command: string;
  readonly aliases?: readonly string[];
  readonly describe: string;
  readonly options?: O;
  readonly positionals?: Readonly<Record<string, Options>>;
  readonly examples?: readonly (readonly [command: string, description: string])[];
  /** Further help, below the options. */
  readonly epilogue?: string;
  readonly handler: (
    args: ArgumentsCamelCase<InferredOptionTypes<O>> & Readonly<Record<string, unknown>>,
    tools: CommandTools,
  ) => Promise<void> | void;
}

export interface Command {
  readonly register: (parser: Argv, tools: CommandTools) => Argv;
}

/** A command as a declaration: words, options and examples in one place, the work in `handler`. */
export function defineCommand<const O extends Readonly<Record<string, Options>>>(
  declaration: CommandDeclaration<O>,
): Command {
  const {
    command,
    aliases = [],
    describe,
    options = {} as O,
    positionals = {},
    examples = [],
    epilogue,
  } = declaration;
  return {
    register: (parser, tools) =>
      parser.command({
        command,
        aliases,
        describe,
        builder: (sub) => {
          sub
            .options(options)
            .example(examples.map(([line, meaning]) => [`$0 ${line}`, meaning] as [string, string]));
          for (const [name, positional] of Object.entries(positionals))
            sub.positional(name, positional as Parameters<typeof sub.positional>[1]);
          return epilogue === undefined ? sub : sub.epilogue(epilogue);
        },
        handler: async (args) => {
          requireNumbers(options, args);
          refuseRepeated(options, args);
          await declaration.handler(withDashes(positionals, args) as never, tools);
        },
      }),
  };
}

/** yargs makes an empty word of a lone `-`, by which people mean standard input. */
function withDashes<T extends Readonly<Record<string, unknown>>>(
  positionals: Readonly<Record<string, Options>>,
  args: T,
): T {
  if (!process.argv.includes('-')) return args;
  const meant = Object.keys(positionals).filter((name) => args[name] === '');
  return { ...args, ...Object.fromEntries(meant.map((name) => [name, '-'])) };
}

/** yargs takes any word for a number and makes it NaN. */
function requireNumbers(
  options: Readonly<Record<string, Options>>,
  args: Readonly<Record<string, unknown>>,
): void {
  for (const [name, { type }] of Object.entries(options))
    if (type === 'number' && Number.isNaN(args[name])) throw new UsageError(`--${name} takes a number`);
}

/** yargs collects what is given twice; whoever reads the answer would see one thing and the record another. */
function refuseRepeated(
  options: Readonly<Record<string, Options>>,
  args: Readonly<Record<string, unknown>>,
): void {
  for (const [name, { array, type }] of Object.entries(options))
    if (array !== true && type !== 'array' && Array.isArray(args[name]))
      throw new UsageError(`--${name} is given more than once`, { hint: 'one value' });
}

/** A group of commands under one noun: `bonami image ls`. */
export function defineGroup(noun: string, describe: string, commands: readonly Command[]): Command {
  return {
    register: (parser, tools) =>
      parser.command({
        command: noun,
        describe,
        builder: (sub) => {
          for (const each of commands) each.register(sub, tools);
          return sub.demandCommand(1, `Which one? See bonami ${noun} --help`).strict();
        },
        handler: () => undefined,
      }),
  };
}
