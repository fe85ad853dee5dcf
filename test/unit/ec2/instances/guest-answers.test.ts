import { describe, expect, test } from 'vitest';
import { parseGuestAnswers } from '../../../../src/ec2/instances/guest-answers.ts';

const stage = (fields: object = {}): object => ({
  errors: [],
  recoverable_errors: {},
  start: 1,
  finished: 2,
  ...fields,
});

/** The answers of a guest whose status has these entries. */
function answers(
  v1: object,
  { text = 'status: done', log = '', output = '' } = {},
): ReturnType<typeof parseGuestAnswers> {
  return parseGuestAnswers([JSON.stringify({ v1 }), '{}', text, log, output]);
}

const HEALTHY = {
  datasource: 'DataSourceEc2Local',
  stage: null,
  'init-local': stage(),
  init: stage(),
  'modules-config': stage(),
  'modules-final': stage(),
};

describe('a guest that is well', () => {
  test('has no problems', () => {
    expect(answers(HEALTHY)).toEqual({
      failed: false,
      datasource: 'DataSourceEc2Local',
      problems: [],
      output: [],
    });
  });

  test('has a datasource without its details', () => {
    expect(
      answers({ ...HEALTHY, datasource: 'DataSourceNoCloud [seed=/dev/vdb][dsmode=net]' }),
    ).toMatchObject({ datasource: 'DataSourceNoCloud' });
  });

  test.each([[{ ...HEALTHY, datasource: null }], [{ init: stage() }]])(
    'may not know its datasource yet: %j',
    (v1) => {
      expect(answers(v1)).toMatchObject({ failed: false, datasource: undefined });
    },
  );
});

describe('an error of a stage', () => {
  test('is a failure of the module that it names', () => {
    const message =
      "('scripts_user', RuntimeError('Runparts: 1 failures (part-001) in 1 attempted commands'))";
    expect(answers({ ...HEALTHY, 'modules-final': stage({ errors: [message] }) })).toMatchObject({
      failed: true,
      problems: [{ severity: 'ERROR', module: 'scripts_user', message }],
    });
  });

  test('is a failure of its stage when it names no module', () => {
    expect(answers({ ...HEALTHY, init: stage({ errors: ['no datasource'] }) })).toMatchObject({
      failed: true,
      problems: [{ severity: 'ERROR', module: 'init', message: 'no datasource' }],
    });
  });
});

describe('a recoverable error', () => {
  test.each([
    ['WARNING', 'WARNING'],
    ['ERROR', 'ERROR'],
    ['CRITICAL', 'CRITICAL'],
    ['DEPRECATED', 'WARNING'],
  ])('of the level %s is a problem of the severity %s, and no failure', (level, severity) => {
    expect(answers({ ...HEALTHY, init: stage({ recoverable_errors: { [level]: ['hm'] } }) })).toMatchObject({
      failed: false,
      problems: [{ severity, module: 'init', message: 'hm' }],
    });
  });
});

describe('the status in words', () => {
  test.each([
    ['status: error\ndetail:\nx', true],
    ['time: now\nstatus: error', true],
    ['status: done\nextended_status: degraded done', false],
    ['status: done\ndetail: status: error', false],
    ['', false],
  ])('%j: failed is %s', (text, failed) => {
    expect(answers(HEALTHY, { text })).toMatchObject({ failed, problems: [] });
  });
});

describe('the log', () => {
  test('adds what older releases do not put into their status', () => {
    const log = [
      '2026-01-02 03:04:05,678 - util.py[WARNING]: Running module write-files failed',
      'a line of something else',
      '2026-01-02 03:04:06,000 - cc_runcmd.py[CRITICAL]: gone',
      '2026-01-02 03:04:06,000 - util.py[DEBUG]: not a problem',
    ].join('\n');
    expect(answers(HEALTHY, { log })?.problems).toEqual([
      { severity: 'WARNING', module: 'util', message: 'Running module write-files failed' },
      { severity: 'CRITICAL', module: 'cc_runcmd', message: 'gone' },
    ]);
  });

  test('says a thing once, however often it is there', () => {
    const line = 'x - util.py[WARNING]: again\n';
    expect(answers(HEALTHY, { log: line.repeat(3) })?.problems).toHaveLength(1);
  });

  test('keeps what differs by module', () => {
    const log = 'x - util.py[WARNING]: again\nx - stages.py[WARNING]: again\n';
    expect(answers(HEALTHY, { log })?.problems.map(({ module }) => module)).toEqual(['util', 'stages']);
  });
});

describe('what user data printed', () => {
  test('is given by line, without empty ones', () => {
    expect(answers(HEALTHY, { output: 'one\n\n  \n two\n' })?.output).toEqual(['one', ' two']);
  });
});

describe('a guest that is not to be trusted', () => {
  const many = Array.from({ length: 1000 }, (_, index) => `line ${index}`);

  test('does not fill a report: 200 problems and the last 200 lines of output are kept', () => {
    const parsed = answers(
      { ...HEALTHY, init: stage({ errors: many }) },
      { log: many.map((line) => `x - util.py[WARNING]: ${line}`).join('\n'), output: many.join('\n') },
    );
    expect(parsed?.problems).toHaveLength(200);
    expect(parsed?.problems[0]).toMatchObject({ message: 'line 0' });
    expect(parsed?.output).toEqual(many.slice(-200));
  });

  test.each([
    ['no answers at all', []],
    ['an empty status', ['']],
    ['a status that is no JSON', ['cat: /run/cloud-init/status.json: No such file']],
    ['a status of another version', ['{"v2": {}}']],
    ['a status that is a list', ['[]']],
    ['a status that is null', ['null']],
    ['stages that are text', ['{"v1": "done"}']],
    ['a datasource that is a number', ['{"v1": {"datasource": 7}}']],
  ])('%s is as good as none', (_what, texts) => {
    expect(parseGuestAnswers(texts)).toBeUndefined();
  });

  test('a status alone is enough', () => {
    expect(parseGuestAnswers(['{"v1": {}}'])).toEqual({
      failed: false,
      datasource: undefined,
      problems: [],
      output: [],
    });
  });

  test.each([
    [{ errors: 'all' }],
    [{ errors: [1, 2] }],
    [{ recoverable_errors: [] }],
    [{ recoverable_errors: { WARNING: 'x' } }],
    ['text'],
    [[]],
  ])('nonsense in one stage, %j, does not hide the others', (nonsense) => {
    expect(answers({ init: nonsense, 'modules-final': stage({ errors: ['real'] }) })?.problems).toEqual([
      { severity: 'ERROR', module: 'modules-final', message: 'real' },
    ]);
  });

  test('nonsense in one list of a stage does not hide the other', () => {
    expect(answers({ init: { errors: 'all', recoverable_errors: { WARNING: ['real'] } } })).toMatchObject({
      failed: false,
      problems: [{ severity: 'WARNING', module: 'init', message: 'real' }],
    });
    expect(answers({ init: { errors: ['real'], recoverable_errors: 7 } })).toMatchObject({
      failed: true,
      problems: [{ severity: 'ERROR', module: 'init', message: 'real' }],
    });
  });
});
