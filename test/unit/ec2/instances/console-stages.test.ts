import { describe, expect, test } from 'vitest';
import { LineReader, readConsoleLine, STAGE_NAMES } from '../../../../src/ec2/instances/console-stages.ts';

describe('a console line of cloud-init', () => {
  test.each(['init-local', 'init', 'modules:config', 'modules:final'])('tells the stage %s', (name) => {
    const line = `[    7.123456] cloud-init[412]: Cloud-init v. 22.4.2 running '${name}' at Fri, 02 Jan 2026 03:04:05 +0000. Up 7.12 seconds.`;
    expect(readConsoleLine(line)).toEqual({ kind: 'stage', name, version: '22.4.2', upSeconds: 7.12 });
  });

  test('tells the end, with the datasource as far as it is a name', () => {
    expect(
      readConsoleLine(
        'cloud-init[600]: Cloud-init v. 24.1-0ubuntu1 finished at Fri, 02 Jan 2026 03:04:05 +0000. Datasource DataSourceNoCloud [seed=/dev/vdb][dsmode=net].  Up 21.50 seconds',
      ),
    ).toEqual({
      kind: 'finished',
      version: '24.1-0ubuntu1',
      datasource: 'DataSourceNoCloud',
      upSeconds: 21.5,
    });
  });

  test.each(['WARNING', 'ERROR', 'CRITICAL'])('tells a problem of the severity %s', (severity) => {
    expect(
      readConsoleLine(`2026-01-02 03:04:05,678 - cc_scripts_user.py[${severity}]: Failed to run: [x]: y`),
    ).toEqual({
      kind: 'problem',
      severity,
      module: 'cc_scripts_user',
      message: 'Failed to run: [x]: y',
    });
  });

  test.each([
    "Cloud-init v. 22.4.2 running 'init' at Fri, 02 Jan 2026 03:04:05 +0000.",
    'Cloud-init v. 22.4.2 finished at Fri, 02 Jan 2026 03:04:05 +0000. Up 3.00 seconds',
    'util.py[DEBUG]: Running command',
    'util.py[WARNING] no colon',
    'script.sh[WARNING]: not a module',
  ])('%j tells nothing', (line) => {
    expect(readConsoleLine(line)).toBeUndefined();
  });
});

describe('a console line of the kernel', () => {
  test('tells its version', () => {
    expect(readConsoleLine('[    0.000000] Linux version 6.1.0-30-cloud-amd64 (debian) #1 SMP')).toEqual({
      kind: 'kernel',
      version: '6.1.0-30-cloud-amd64',
    });
  });

  test('tells its panic and why', () => {
    expect(
      readConsoleLine('[    1.5] Kernel panic - not syncing: VFS: Unable to mount root fs on (0,0)'),
    ).toEqual({
      kind: 'panic',
      message: 'VFS: Unable to mount root fs on (0,0)',
    });
  });
});

describe('a console line of the tiny image', () => {
  test('tells that it is ready, and since when', () => {
    expect(readConsoleLine('tiny: ready, up 1.25')).toEqual({
      kind: 'finished',
      version: 'tiny',
      datasource: 'tiny',
      upSeconds: 1.25,
    });
    expect(readConsoleLine('tiny: ready')).toMatchObject({ kind: 'finished', upSeconds: 0 });
  });

  test('counts at the beginning of the line only', () => {
    expect(readConsoleLine('echo tiny: ready')).toBeUndefined();
  });
});

test.each(['', 'login: ', 'Starting OpenSSH server...', 'Cloud-init'])(
  'the line %j tells nothing',
  (line) => {
    expect(readConsoleLine(line)).toBeUndefined();
  },
);

test('every stage of cloud-init has words for people', () => {
  expect(Object.keys(STAGE_NAMES)).toEqual(['init-local', 'init', 'modules:config', 'modules:final']);
});

describe('LineReader', () => {
  test('keeps an unfinished line until its end comes', () => {
    const reader = new LineReader();
    expect(reader.feed('one\ntw')).toEqual(['one']);
    expect(reader.feed('')).toEqual([]);
    expect(reader.feed('o')).toEqual([]);
    expect(reader.feed('\nthree\n')).toEqual(['two', 'three']);
    expect(reader.feed('\n')).toEqual(['']);
  });

  test('gives the same lines however the text is cut', () => {
    const text = 'a\n\nbc\ndef\n';
    const reader = new LineReader();
    expect(text.split('').flatMap((piece) => reader.feed(piece))).toEqual(new LineReader().feed(text));
    expect(new LineReader().feed(text)).toEqual(['a', '', 'bc', 'def']);
  });
});
