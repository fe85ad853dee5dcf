// What reaches a terminal: columns, and never a control character of somebody else's.
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { BonamiError } from '../../../src/core/errors.ts';
import { Output } from '../../../src/cli/output.ts';

function output({ json = false, quiet = false } = {}): {
  readonly out: Output;
  readonly stdout: () => string;
  readonly stderr: () => string;
} {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  const out = new Output({
    json,
    quiet,
    ...(streams as unknown as Record<'stdout' | 'stderr', NodeJS.WriteStream>),
  });
  return {
    out,
    stdout: () => String(streams.stdout.read() ?? ''),
    stderr: () => String(streams.stderr.read() ?? ''),
  };
}

const CONTROLS = ['\u001B', '\u0007', '\u009B'];
const HOSTILE = 'a\u001B]0;owned\u0007b\nc\u009Bd';

test('columns are as wide as their widest cell, and nothing trails', () => {
  const { out, stdout } = output();
  out.table(
    ['A', 'LONGER'],
    [
      ['wide cell', ''],
      ['x', 'y'],
    ],
  );
  expect(stdout()).toBe('A          LONGER\nwide cell\nx          y\n');
});

test('a hostile name neither speaks to the terminal nor starts a line of its own', () => {
  const { out, stdout } = output();
  out.table(['NAME'], [[HOSTILE]]);
  out.facts([['name', HOSTILE]]);
  const said = stdout();
  for (const character of CONTROLS) expect(said).not.toContain(character);
  expect(said.split('\n')).toHaveLength(4);
});

test('an error and its details are cleaned too, and keep their lines', () => {
  const { out, stderr } = output();
  out.error(
    new BonamiError('Code', `about ${HOSTILE}`, { details: ['\u001B[2Jlast words'], hint: 'do this' }),
  );
  const said = stderr();
  for (const character of CONTROLS) expect(said).not.toContain(character);
  expect(said).toContain('error: Code: about a');
  expect(said).toContain('try: do this');
});

test('colours pass, for they are ours', () => {
  const { out, stdout } = output();
  out.line('\u001B[32mgreen\u001B[39m');
  expect(stdout()).toBe('\u001B[32mgreen\u001B[39m\n');
});

test('with --json the response alone is on standard output, and progress on the other', () => {
  const { out, stdout, stderr } = output({ json: true });
  out.progress({ label: 'working' });
  out.result({ Name: HOSTILE }, () => out.line('for people'));
  expect(JSON.parse(stdout())).toEqual({ Name: HOSTILE });
  expect(stderr()).toBe('working\n');
});

test('--quiet leaves results and errors only', () => {
  const { out, stdout, stderr } = output({ quiet: true });
  out.progress({ label: 'working' });
  out.info('by the way');
  out.warn('careful');
  out.line('the result');
  expect(stdout()).toBe('the result\n');
  expect(stderr()).toBe('');
});
