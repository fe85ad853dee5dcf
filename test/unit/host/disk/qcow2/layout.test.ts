import { expect, test } from 'vitest';
import { planRefcounts, refcountBlock, refcountTable } from '../../../../../src/host/disk/qcow2/layout.ts';

const PER_BLOCK = 32768;
const PER_TABLE_CLUSTER = 8192;

test.each([
  1,
  PER_BLOCK - 3,
  PER_BLOCK - 2,
  PER_BLOCK - 1,
  PER_BLOCK,
  2 * PER_BLOCK - 3,
  2 * PER_BLOCK - 2,
  PER_BLOCK * PER_TABLE_CLUSTER - PER_TABLE_CLUSTER - 1,
  PER_BLOCK * PER_TABLE_CLUSTER - PER_TABLE_CLUSTER,
  PER_BLOCK * PER_TABLE_CLUSTER,
])('reference counts behind %i clusters count themselves, and no more than exist', (used) => {
  const { total, blocks, tableClusters } = planRefcounts(used);
  expect(total).toBe(used + blocks + tableClusters);
  expect(blocks * PER_BLOCK).toBeGreaterThanOrEqual(total);
  expect((blocks - 1) * PER_BLOCK).toBeLessThan(total);
  expect(tableClusters).toBe(Math.ceil(blocks / PER_TABLE_CLUSTER));
});

test('a block counts each cluster of the file once and no other', () => {
  const total = PER_BLOCK + 5;
  const counts = [0, 1].flatMap((index) => {
    const block = refcountBlock(index, total);
    return Array.from({ length: PER_BLOCK }, (_, count) => block.readUInt16BE(count * 2));
  });
  expect(counts.every((count, cluster) => count === (cluster < total ? 1 : 0))).toBe(true);
});

test('the table leads to each block', () => {
  const table = refcountTable(2 ** 40, { total: 0, blocks: 3, tableClusters: 1 });
  expect(table.length).toBe(65536);
  expect([0, 8, 16, 24].map((at) => Number(table.readBigUInt64BE(at)))).toEqual([
    2 ** 40,
    2 ** 40 + 65536,
    2 ** 40 + 131072,
    0,
  ]);
});
