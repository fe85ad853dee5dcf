// Extended headers (POSIX.1-2017, pax: "pax Extended Header"): records `LENGTH KEY=VALUE\n` that add to the next
// header or overrule it. Two readers that differ in one of them see two archives in one (CVE-2025-62518), so that
// nothing is overruled here but the one thing that old headers cannot say: a size of 8 GiB and more.
import { corrupt, hostile } from './archive-errors.ts';
import { shown } from './entry-name.ts';
import { MAX_OCTAL_SIZE } from './tar-header.ts';

/** More would be somebody's data, not a few attributes. */
export const MAX_PAX_BYTES = 64 * 1024;

/** Facts about a file that nothing here depends on: times, owners, attributes. */
const HARMLESS =
  /^(?:[acm]time|[ug]id|[ug]name|comment|LIBARCHIVE\..*|RHT\..*|SCHILY\.(?:acl|dev|fflags|ino|nlink|xattr)\b.*)$/s;

/**
 * The size that an extended header gives to the file after it, if it does. Throws `ArchiveHostile` when it says
 * anything that would change which file is read, and `ArchiveCorrupt` when it cannot be read.
 */
export function paxSize(records: Buffer): number | undefined {
  let size: number | undefined;
  for (const [key, value] of parse(records)) {
    if (HARMLESS.test(key)) continue;
    if (key !== 'size')
      throw hostile(
        `has an extended header that sets '${shown(key)}' to '${shown(value)}'`,
        'pack the files again: tar --format=ustar -cf ARCHIVE FILES',
      );
    size = /^\d{1,16}$/.test(value) ? Number(value) : 0;
    if (size <= MAX_OCTAL_SIZE || !Number.isSafeInteger(size))
      throw hostile(
        `has an extended header that sets a size of '${shown(value)}', which belongs into the header itself`,
      );
  }
  return size;
}

function* parse(records: Buffer): Generator<readonly [key: string, value: string]> {
  for (let rest = records; rest.length > 0;) {
    const found = /^([1-9]\d{0,5}) /.exec(rest.toString('latin1', 0, 8));
    const length = Number(found?.[1] ?? 0);
    const record = rest.toString('utf8', found?.[0].length ?? 0, length);
    const split = record.indexOf('=');
    if (length > rest.length || split < 1 || !record.endsWith('\n'))
      throw corrupt('has an extended header that cannot be read');
    yield [record.slice(0, split), record.slice(split + 1, -1)];
    rest = rest.subarray(length);
  }
}
