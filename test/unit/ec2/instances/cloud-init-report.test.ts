import { describe, expect, test } from 'vitest';
import { judge } from '../../../../src/ec2/instances/cloud-init-report.ts';
import { type ConsoleMark, readConsoleLine } from '../../../../src/ec2/instances/console-stages.ts';
import type { GuestAnswers } from '../../../../src/ec2/instances/guest-answers.ts';

const ID = 'i-0123456789abcdef0';

type Marks = Parameters<typeof judge>[1];

function marks(...all: readonly ConsoleMark[]): Marks {
  return all.map((mark, index) => ({ ...mark, seenAt: index }));
}

function at(name: string, upSeconds: number): ConsoleMark {
  return { kind: 'stage', name, version: '24.1', upSeconds };
}

function problem(
  message: string,
  severity: 'WARNING' | 'ERROR' | 'CRITICAL' = 'WARNING',
  module = 'util',
): ConsoleMark {
  return { kind: 'problem', severity, module, message };
}

const FINISHED: ConsoleMark = {
  kind: 'finished',
  version: '24.1',
  datasource: 'DataSourceEc2Local',
  upSeconds: 20,
};

const WELL: GuestAnswers = {
  failed: false,
  datasource: 'DataSourceNoCloud',
  problems: [],
  output: ['printed'],
};

describe('a verdict from the console', () => {
  test('is done when nothing went wrong', () => {
    expect(
      judge(ID, marks({ kind: 'kernel', version: '6.1' }, at('init-local', 5), FINISHED), undefined),
    ).toEqual({
      instanceId: ID,
      verdict: 'done',
      version: '24.1',
      datasource: 'DataSourceEc2Local',
      stages: [{ name: 'init-local', startedAt: 5, seconds: 15 }],
      problems: [],
      output: [],
      source: 'console',
    });
  });

  test('is degraded by a warning, which it shows', () => {
    expect(judge(ID, marks(problem('a mirror is slow'), FINISHED), undefined)).toMatchObject({
      verdict: 'degraded',
      problems: [{ severity: 'WARNING', module: 'util', message: 'a mirror is slow' }],
    });
  });

  test.each(['ERROR', 'CRITICAL'] as const)('is an error by the severity %s', (severity) => {
    expect(judge(ID, marks(problem('x', severity), FINISHED), undefined).verdict).toBe('error');
  });

  test.each([
    'Failed to run module scripts-user (scripts in /var/lib/cloud/instance/scripts)',
    'Failed running /var/lib/cloud/instance/scripts/part-001 [1]',
    'failed 1 of 20 modules',
  ])("is an error by the warning '%s'", (message) => {
    expect(judge(ID, marks(problem(message), FINISHED), undefined).verdict).toBe('error');
  });

  test('knows neither version nor datasource of a boot that did not finish', () => {
    expect(judge(ID, marks(at('init', 3)), undefined)).toMatchObject({ version: '', datasource: '' });
  });

  test('of no marks at all is done, with nothing to show', () => {
    expect(judge(ID, [], undefined)).toEqual({
      instanceId: ID,
      verdict: 'done',
      version: '',
      datasource: '',
      stages: [],
      problems: [],
      output: [],
      source: 'console',
    });
  });

  test('can be told from the lines that a console has', () => {
    const lines = [
      "cloud-init[400]: Cloud-init v. 24.1 running 'modules:final' at Fri, 02 Jan 2026 03:04:05 +0000. Up 9.00 seconds.",
      '2026-01-02 03:04:09,000 - cc_scripts_user.py[WARNING]: Failed to run module scripts_user',
      'cloud-init[400]: Cloud-init v. 24.1 finished at Fri, 02 Jan 2026 03:04:10 +0000. Datasource DataSourceEc2Local.  Up 13.25 seconds',
    ];
    const read = lines.flatMap((line) => readConsoleLine(line) ?? []);
    expect(judge(ID, marks(...read), undefined)).toMatchObject({
      verdict: 'error',
      stages: [{ name: 'modules:final', startedAt: 9, seconds: 4.25 }],
      problems: [{ module: 'cc_scripts_user' }],
    });
  });
});

describe("a verdict from the guest's own words", () => {
  test('counts more than what the console showed', () => {
    expect(judge(ID, marks(problem('x', 'ERROR'), FINISHED), WELL)).toMatchObject({
      verdict: 'done',
      problems: [],
      datasource: 'DataSourceNoCloud',
      version: '24.1',
      source: 'guest',
    });
  });

  test("takes the console's datasource when the guest does not know it", () => {
    expect(judge(ID, marks(FINISHED), { ...WELL, datasource: undefined }).datasource).toBe(
      'DataSourceEc2Local',
    );
  });

  test('is degraded by problems that are no failure, however severe they sound', () => {
    const problems = [{ severity: 'ERROR', module: 'init', message: 'Failed to run module x' }] as const;
    expect(judge(ID, [], { ...WELL, problems })).toMatchObject({ verdict: 'degraded', problems });
  });

  test('is an error when the guest says so, also without a reason', () => {
    expect(judge(ID, marks(FINISHED), { ...WELL, failed: true })).toMatchObject({
      verdict: 'error',
      problems: [],
    });
  });

  test('shows what was printed only when something went wrong', () => {
    expect(judge(ID, [], WELL).output).toEqual([]);
    expect(judge(ID, [], { ...WELL, failed: true }).output).toEqual(['printed']);
  });
});

describe('the time of a stage', () => {
  test('lasts until the next one begins, and the last one until the end', () => {
    const { stages } = judge(
      ID,
      marks(at('init-local', 4.1), at('init', 6.35), problem('x'), at('modules:final', 10), FINISHED),
      undefined,
    );
    expect(stages).toEqual([
      { name: 'init-local', startedAt: 4.1, seconds: 2.25 },
      { name: 'init', startedAt: 6.35, seconds: 3.65 },
      { name: 'modules:final', startedAt: 10, seconds: 10 },
    ]);
  });

  test('is unknown for the last one of a boot that did not finish', () => {
    expect(judge(ID, marks(at('init-local', 4), at('init', 6)), undefined).stages).toEqual([
      { name: 'init-local', startedAt: 4, seconds: 2 },
    ]);
  });
});
