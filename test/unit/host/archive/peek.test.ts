import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { peek } from '../../../../src/host/archive/peek.ts';

test.each([0, 1, 14, 511, 512, 513, 5000])(
  'looks at %i bytes again and again, and all of them are left',
  async (length) => {
    for (const pause of [0, 5]) {
      const pieces = async function* (): AsyncGenerator<Buffer> {
        for (let at = 0; at < length; at += 300) {
          if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
          yield Buffer.alloc(Math.min(300, length - at), 'x');
        }
      };
      const stream = Readable.from(pieces(), { objectMode: false });
      for (const wanted of [512, 4096, 100])
        expect(await peek(stream, wanted)).toHaveLength(Math.min(wanted, length));
      expect(await buffer(stream)).toHaveLength(length);
    }
  },
);

test('an error on the way is thrown', async () => {
  const stream = Readable.from(
    (async function* () {
      yield Buffer.from('x');
      throw new Error('the wire broke');
    })(),
    { objectMode: false },
  );
  await expect(peek(stream, 512)).rejects.toThrow('the wire broke');
});
