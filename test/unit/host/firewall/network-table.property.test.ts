// The table against what its ruleset means, for rulesets and packets that nobody has thought of.
import { expect, test } from 'vitest';
import { networkTable } from '../../../../src/host/firewall/network-table.ts';
import { forwards } from './nft-interpreter.ts';
import { passes } from './packet-model.ts';
import { RandomRulesets } from './random-rulesets.ts';

const RULESETS = 400;
const PACKETS = 100;

test('every packet passes that a ruleset lets pass, and no other', () => {
  const wrong: unknown[] = [];
  let passed = 0;
  for (let seed = 1; seed <= RULESETS; seed++) {
    const random = new RandomRulesets(seed);
    const rules = random.ruleset();
    const text = networkTable(rules);
    for (let count = 0; count < PACKETS; count++) {
      const packet = random.packet(rules);
      const expected = passes(rules, packet);
      if (forwards(text, packet) !== expected) wrong.push({ seed, packet, expected });
      if (expected && packet.state === 'new') passed++;
    }
  }
  expect(wrong.slice(0, 3)).toEqual([]);
  // Were all refused, the comparison would say little.
  expect(passed).toBeGreaterThan(RULESETS * PACKETS * 0.03);
  expect(passed).toBeLessThan(RULESETS * PACKETS * 0.97);
});
