import { expect, test } from 'vitest';
import { parsePort } from '../../../src/cli/parse-port.ts';

test.each([
  ['80', '127.0.0.1', 80, 80],
  ['8080:80', '127.0.0.1', 8080, 80],
  [':80', '127.0.0.1', 0, 80],
  ['0:80', '127.0.0.1', 0, 80],
  ['localhost:8080:80', '127.0.0.1', 8080, 80],
  ['0.0.0.0:8080:80', '0.0.0.0', 8080, 80],
  ['192.168.1.5::80', '192.168.1.5', 0, 80],
  ['[::1]:8080:80', '::1', 8080, 80],
  ['[fd00::7]::65535', 'fd00::7', 0, 65_535],
])('%s', (word, address, port, target) => {
  expect(parsePort(word)).toEqual({ listen: { address, port }, target });
});

test.each([
  '',
  ':',
  '80:',
  'web',
  '0',
  '8080:0',
  '65536',
  '65536:80',
  '8080:65536',
  '-1:80',
  '1.5:80',
  '::80',
  '::1:8080:80',
  '[]:8080:80',
  '[::1:8080:80',
  'example.org:8080:80',
  '10.0.0.256:8080:80',
  '8080:80/udp',
  ' 8080:80',
  '8080:80\n',
])('%j is refused', (word) => {
  expect(() => parsePort(word)).toThrow('does not say which port goes where');
});
