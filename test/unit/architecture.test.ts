// The house has four floors and arrows only downward. This reads every import of src/ and prints the mend.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { FAILPOINTS } from '../../src/core/failpoint.ts';

const SRC = join(import.meta.dirname, '../../src');

/** Which rooms each floor may import, beside itself. main.ts, agent.ts and compose.ts put everything together. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  host: ['core'],
  store: ['core'],
  ec2: ['core', 'host', 'store'],
  imds: ['core', 'ec2'],
  cli: ['core', 'ec2'],
};

const files = (readdirSync(SRC, { recursive: true, encoding: 'utf8' }) as string[]).filter((path) =>
  path.endsWith('.ts'),
);

function imports(path: string): readonly string[] {
  const text = readFileSync(join(SRC, path), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, target]) => target ?? '');
}

function floor(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : '';
}

test('there is something to judge', () => {
  expect(files.length).toBeGreaterThan(50);
  expect(files.flatMap(imports).length).toBeGreaterThan(200);
});

test('arrows point downward only', () => {
  const wrong = files.flatMap((path) =>
    imports(path)
      .filter((target) => target.startsWith('.'))
      .map((target) => relative(SRC, join(SRC, dirname(path), target)))
      .filter((target) => {
        const from = floor(path);
        const to = floor(target);
        return from !== '' && from !== to && ALLOWED[from]?.includes(to) !== true;
      })
      .map(
        (target) =>
          `src/${path} imports src/${target}: ${floor(path)}/ may import ${ALLOWED[floor(path)]?.join(', ') || 'nothing'}; move the code, or pass it in from a composition root`,
      ),
  );
  expect(wrong).toEqual([]);
});

test('only host/command.ts starts processes', () => {
  const wrong = files.filter(
    (path) =>
      path !== 'host/command.ts' &&
      imports(path).some((target) => target === 'execa' || target === 'node:child_process'),
  );
  // Types of a child process may be named elsewhere; starting one may not.
  expect(
    wrong.filter(
      (path) =>
        !/import type \{[^}]*\} from 'node:child_process'/.test(readFileSync(join(SRC, path), 'utf8')),
    ),
  ).toEqual([]);
});

test('only store/ speaks SQL, only cli/ prints or sets the exit code, nobody exits', () => {
  const offenders = (pattern: RegExp, except: (path: string) => boolean): readonly string[] =>
    files.filter((path) => !except(path) && pattern.test(readFileSync(join(SRC, path), 'utf8')));
  expect(
    offenders(/\b(?:SELECT .* FROM|INSERT INTO|DELETE FROM|UPDATE \w+ SET)\b/, (path) =>
      path.startsWith('store/'),
    ),
  ).toEqual([]);
  expect(
    offenders(/process\.(?:stdout|stderr)\.write|console\.\w+\(/, (path) => path.startsWith('cli/')),
  ).toEqual([]);
  expect(
    offenders(
      /process\.exitCode/,
      (path) => path.startsWith('cli/') || path === 'main.ts' || path === 'agent.ts',
    ),
  ).toEqual([]);
  expect(offenders(/process\.exit\(/, () => false)).toEqual([]);
});

test('disks are never opened by guessing, and no shell ever runs', () => {
  const all = files.map((path) => ({ path, text: readFileSync(join(SRC, path), 'utf8') }));
  const using = (pattern: RegExp): readonly string[] =>
    all.filter(({ text }) => pattern.test(text)).map(({ path }) => path);
  expect(using(/shell: true/)).toEqual([]);
  expect(using(/'-drive'|'-hda'|human-monitor-command/)).toEqual([]);
  expect(
    using(/'qemu-img'/).filter(
      (path) =>
        path !== 'host/disk/qemu-img.ts' && path !== 'host/command.ts' && !path.startsWith('host/preflight'),
    ),
  ).toEqual([]);
});

test('qemu-img is told the format of every file that it opens', () => {
  const text = readFileSync(join(SRC, 'host/disk/qemu-img.ts'), 'utf8');
  // Every list of arguments that begins with a subcommand.
  const lists = [
    ...text.matchAll(/\[\s*'(info|measure|check|map|convert|create|[a-z]+)',([^\]]*)\]/g),
  ].filter(([, , rest = '']) => /'--'/.test(rest));
  expect(lists.map(([, subcommand = '']) => subcommand).toSorted()).toEqual(
    ['check', 'convert', 'convert', 'create', 'info', 'map', 'measure'].toSorted(),
  );
  const named = [...text.matchAll(/const formats = \[([^\]]*)\]/g)].map(([, content = '']) => content);
  expect(named).toHaveLength(2);
  for (const formats of named) expect(formats).toMatch(/(?:'-f', format|'--image-opts'), '-O', /);
  for (const [list, subcommand, rest = ''] of lists)
    expect(`${list}: ${rest}`).toMatch(
      subcommand === 'convert' ? /\.\.\.formats/ : /'-f', (?:format|'raw'|'qcow2')/,
    );
  // A file below another is named with its format, and so is each layer of what is given as options.
  expect(text.match(/'-b'/g)).toHaveLength(text.match(/'-F', 'qcow2', '-b'/g)?.length ?? 0);
  expect(text.match(/file\.filename=/g)).toHaveLength(text.match(/driver=qcow2`/g)?.length ?? 0);
});

test('every failpoint that tests walk is in the code, once', () => {
  const text = files.map((path) => readFileSync(join(SRC, path), 'utf8')).join('\n');
  const called = [...text.matchAll(/\bfailpoint\('([^']+)'\)/g)].map(([, name = '']) => name);
  expect(called.toSorted()).toEqual(Object.values(FAILPOINTS).flat().toSorted());
});

test("Amazon's library is loaded only when a store is opened", () => {
  const statically = /^(?:import|export)(?! type\b)[^;]*? from '([^']+)'/gm;
  const wrong = files.filter((path) =>
    [...readFileSync(join(SRC, path), 'utf8').matchAll(statically)].some(
      ([, target = '']) =>
        target.endsWith('/sdk.ts') || (target.startsWith('@aws-sdk/') && path !== 'host/s3/sdk.ts'),
    ),
  );
  expect(wrong).toEqual([]);
});
