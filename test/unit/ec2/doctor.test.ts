// What `doctor --fix` takes away, and what it leaves alone.
import { existsSync, mkdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newId } from '../../../src/core/ids.ts';
import { mend } from '../../../src/ec2/doctor.ts';
import { testContext, type TestContext } from '../../support/context.ts';

let home: TestContext;

beforeEach(() => {
  home = testContext();
});

afterEach(() => home.cleanup());

test('folders that no record names are removed, and said', async () => {
  const { layout } = home.ctx;
  const folders = [
    layout.instance(newId('instance')).folder,
    layout.instance(newId('instance')).runFolder,
    layout.volume(newId('volume')).folder,
    layout.snapshot(newId('snapshot')).folder,
    layout.image(newId('image')).incoming,
  ];
  for (const folder of folders) mkdirSync(folder);
  const done = await mend(home.ctx);
  expect(done).toEqual(folders.map((folder) => `removed ${folder}`).toSorted(byPlaceOf(done)));
  expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
});

test('files of a record that cannot be read are kept: somebody may want them back', async () => {
  const { db, layout } = home.ctx;
  const volumeId = newId('volume');
  db.exec(`INSERT INTO volumes (id, document) VALUES ('${volumeId}', '{"half a rec')`);
  const { folder } = layout.volume(volumeId);
  mkdirSync(folder);
  expect(await mend(home.ctx)).toEqual([]);
  expect(existsSync(folder)).toBe(true);
});

test('what people put there themselves is left alone', async () => {
  const folder = `${home.ctx.layout.volumes}/my-notes`;
  mkdirSync(folder);
  expect(await mend(home.ctx)).toEqual([]);
  expect(existsSync(folder)).toBe(true);
});

function byPlaceOf(order: readonly string[]): (a: string, b: string) => number {
  return (a, b) => order.indexOf(a) - order.indexOf(b);
}
