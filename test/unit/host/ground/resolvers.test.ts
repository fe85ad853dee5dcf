import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hostResolvers } from '../../../../src/host/ground/resolvers.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

function file(folder: string, name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

test('this host’s name servers are those that another namespace can reach', () => {
  using folder = temporaryFolder();
  const stub = file(folder.path, 'stub', 'nameserver 127.0.0.53\noptions edns0\n');
  const real = file(
    folder.path,
    'real',
    '# nameserver 9.9.9.9\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\n',
  );
  expect(hostResolvers([stub, real])).toEqual(['192.0.2.53']);
  expect(hostResolvers([real, stub])).toEqual(['192.0.2.53']);
});

test('they are none when there is no file or none in it', () => {
  using folder = temporaryFolder();
  const empty = file(folder.path, 'empty', 'search example.org\n');
  expect(hostResolvers([join(folder.path, 'missing'), empty])).toEqual([]);
});
