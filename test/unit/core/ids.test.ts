import { describe, expect, test } from 'vitest';
import { ID_PREFIXES, isId, isIdPrefix, newId, type ResourceKind } from '../../../src/core/ids.ts';

const KINDS = Object.keys(ID_PREFIXES) as ResourceKind[];

describe('newId', () => {
  test.each(KINDS)("makes an id of the kind %s that has EC2's form", (kind) => {
    const id = newId(kind);
    expect(id).toMatch(/-[0-9a-f]{17}$/);
    expect(id.slice(0, -18)).toBe(ID_PREFIXES[kind]);
    expect(isId(kind, id)).toBe(true);
  });

  test('makes another one each time', () => {
    expect(new Set(Array.from({ length: 1000 }, () => newId('instance'))).size).toBe(1000);
  });
});

describe('isId', () => {
  test.each(KINDS)('an id of the kind %s is of no other kind', (kind) => {
    const id = newId(kind);
    expect(KINDS.filter((other) => isId(other, id))).toEqual([kind]);
  });

  test.each(['i-0123456789abcdef0', 'i-00000000000000000', 'i-0123abcd'])('%s is one', (text) => {
    expect(isId('instance', text)).toBe(true);
  });

  test.each([
    '',
    'i-',
    'i-0123456',
    'i-0123abcd0',
    'i-0123456789abcdef',
    'i-0123456789abcdef01',
    'i-0123456789ABCDEF0',
    'i-0123456789abcdeg0',
    'i_0123456789abcdef0',
    ' i-0123456789abcdef0',
    'i-0123456789abcdef0\n',
    'i-0123456789abcdef0/..',
    '../i-0123456789abcdef0',
    'ami-0123456789abcdef0',
  ])('%j is none', (text) => {
    expect(isId('instance', text)).toBe(false);
  });
});

describe('isIdPrefix', () => {
  test.each(['i-0', 'i-0123abcd', 'i-0123456789abcdef', 'i-0123456789abcdef0'])(
    '%s may be meant as the beginning of one',
    (text) => {
      expect(isIdPrefix('instance', text)).toBe(true);
    },
  );

  test.each(['', 'i', 'i-', 'i-x', 'i-0123456789abcdef01', 'i-0\n', 'web', 'ami-0', 'i-%', 'i-0*'])(
    '%j may not',
    (text) => {
      expect(isIdPrefix('instance', text)).toBe(false);
    },
  );
});
