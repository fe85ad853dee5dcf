#!/usr/bin/env node
// Composition root of the command line: home, records and host come together here, and nowhere else.
import { readFileSync } from 'node:fs';
import { runCli } from './cli/cli.ts';
import { openContext } from './compose.ts';
import { packageRoot } from './package-root.ts';
import { onCommand } from './host/command.ts';

// Whatever we create is for us alone, unless a mode is set on purpose.
process.umask(0o077);

const { version } = JSON.parse(readFileSync(`${packageRoot()}/package.json`, 'utf8')) as { version: string };

process.exitCode = await runCli(process.argv.slice(2), {
  version,
  open: openContext,
  onHostCommand: onCommand,
});
