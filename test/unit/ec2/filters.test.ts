import type { Filter } from '@aws-sdk/client-ec2';
import { describe, expect, test } from 'vitest';
import { type FilterTable, filterTests, wildcard } from '../../../src/ec2/filters.ts';

interface Pet {
  readonly name: string;
  readonly kinds: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
}

const TABLE: FilterTable<Pet> = {
  name: ({ name }) => name,
  kind: ({ kinds }) => kinds,
  'tag-key': ({ tags }) => Object.keys(tags),
  'tag:*': ({ tags }, key) => tags[key] ?? [],
};

const PETS: readonly Pet[] = [
  { name: 'rex', kinds: ['dog'], tags: { stage: 'test', 'aws:kind': 'x' } },
  { name: 'tom', kinds: ['cat', 'mouser'], tags: { stage: 'prod', note: '' } },
  { name: 'a.b', kinds: [], tags: {} },
];

const namesFor = (...filters: Filter[]): string[] => {
  const tests = filterTests(filters, TABLE);
  return PETS.filter((pet) => tests.every((passes) => passes(pet))).map(({ name }) => name);
};

describe('filters', () => {
  test('none lets everything pass', () => {
    expect(namesFor()).toEqual(['rex', 'tom', 'a.b']);
  });

  test('values of one filter are alternatives, and several filters must all hold', () => {
    expect(namesFor({ Name: 'name', Values: ['rex', 'tom'] })).toEqual(['rex', 'tom']);
    expect(namesFor({ Name: 'name', Values: ['rex', 'tom'] }, { Name: 'kind', Values: ['cat'] })).toEqual([
      'tom',
    ]);
    expect(namesFor({ Name: 'name', Values: ['rex'] }, { Name: 'kind', Values: ['cat'] })).toEqual([]);
  });

  test('a record with several values passes by any of them, and one without any never', () => {
    expect(namesFor({ Name: 'kind', Values: ['mouser'] })).toEqual(['tom']);
    expect(namesFor({ Name: 'kind', Values: ['*'] })).toEqual(['rex', 'tom']);
  });

  test('a filter without values lets nothing pass', () => {
    expect(namesFor({ Name: 'name', Values: [] })).toEqual([]);
    expect(namesFor({ Name: 'name' })).toEqual([]);
  });

  test('a tag is found by its key, also when the key has a colon or the value is empty', () => {
    expect(namesFor({ Name: 'tag:stage', Values: ['test'] })).toEqual(['rex']);
    expect(namesFor({ Name: 'tag:aws:kind', Values: ['x'] })).toEqual(['rex']);
    expect(namesFor({ Name: 'tag:note', Values: [''] })).toEqual(['tom']);
    expect(namesFor({ Name: 'tag-key', Values: ['stage'] })).toEqual(['rex', 'tom']);
  });

  test.each(['nothing', '', 'Name', 'tag', 'tag:*', 'constructor', 'toString', '__proto__'])(
    "the name '%s' is an error that names it and those that exist",
    (name) => {
      expect(() => filterTests([{ Name: name, Values: ['x'] }], TABLE)).toThrow(
        expect.objectContaining({
          code: 'InvalidParameterValue',
          message: `The filter '${name}' is invalid`,
          hint: 'one of name, kind, tag-key, tag:*',
        }),
      );
    },
  );

  test('a tag filter is an error where nothing has tags', () => {
    expect(() => filterTests([{ Name: 'tag:stage', Values: ['x'] }], { name: () => 'x' })).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: "The filter 'tag:stage' is invalid",
      }),
    );
  });

  test('a filter without a name is an error', () => {
    expect(() => filterTests([{ Values: ['x'] }], TABLE)).toThrow("The filter '' is invalid");
  });
});

describe('wildcard', () => {
  test.each([
    ['rex', 'rex'],
    ['r*', 'rex'],
    ['*', ''],
    ['*', 'two\nlines'],
    ['r?x', 'rex'],
    ['r??', 'rex'],
    ['*e*', 'rex'],
    ['a.b', 'a.b'],
    ['(a|b)+[c]{1}^$', '(a|b)+[c]{1}^$'],
    [String.raw`\*`, '*'],
    [String.raw`\?`, '?'],
    [String.raw`\\*`, String.raw`\anything`],
    [String.raw`\*amazon\?\\`, '*amazon?\\'],
    [String.raw`C:\dir`, String.raw`C:\dir`],
  ])('%j fits %j', (pattern, text) => {
    expect(wildcard(pattern).test(text)).toBe(true);
  });

  test.each([
    ['rex', 'rexx'],
    ['rex', 'arex'],
    ['rex', 'Rex'],
    ['r?', 'rex'],
    ['a.b', 'axb'],
    ['', 'x'],
    [String.raw`\*`, 'x'],
    [String.raw`\?`, 'x'],
    [String.raw`\*`, String.raw`\x`],
  ])('%j does not fit %j', (pattern, text) => {
    expect(wildcard(pattern).test(text)).toBe(false);
  });
});
