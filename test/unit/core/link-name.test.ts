import { describe, expect, test } from 'vitest';
import { linkName, macOf } from '../../../src/core/link-name.ts';

const IDS = Array.from({ length: 200 }, (_, index) => `eni-${index.toString(16).padStart(17, '0')}`);

describe('linkName', () => {
  test.each(['bnv', 'eni', 'pcx', 'snt'] as const)(
    "with the prefix %s uses the kernel's 15 characters",
    (prefix) => {
      expect(linkName(prefix, 'eni-0123456789abcdef0')).toMatch(new RegExp(`^${prefix}[0-9a-f]{12}$`));
    },
  );

  test('stays the same in every release, for links outlive the process that made them', () => {
    expect(linkName('eni', 'eni-0123456789abcdef0')).toBe('eni4f56e484684c');
  });

  test('differs by resource, also where ids share their beginning', () => {
    expect(new Set(IDS.map((id) => linkName('eni', id))).size).toBe(IDS.length);
  });

  test('names nothing but a hash, whatever the id is', () => {
    expect(linkName('snt', '../../; drop')).toMatch(/^snt[0-9a-f]{12}$/);
  });
});

describe('macOf', () => {
  test('is locally administered, unicast and written in lower case', () => {
    for (const id of IDS) expect(macOf(id)).toMatch(/^02(?::[0-9a-f]{2}){5}$/);
  });

  test('stays the same in every release, for guests keep it in their configuration', () => {
    expect(macOf('eni-0123456789abcdef0')).toBe('02:bb:be:52:d4:0f');
  });

  test('differs by interface', () => {
    expect(new Set(IDS.map(macOf)).size).toBe(IDS.length);
  });

  test('tells nothing of the link name', () => {
    const id = 'eni-0123456789abcdef0';
    expect(linkName('eni', id)).not.toContain(macOf(id).slice(3).replaceAll(':', ''));
  });
});
