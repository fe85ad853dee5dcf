/** A file that a page names, and what the named groups of the pattern stood for in it. */
export interface FoundFile {
  readonly file: string;
  readonly words: Readonly<Record<string, string>>;
}

/** No part of a longer name: `disk.qcow2` is not named by `disk.qcow2.sha256` or `my-disk.qcow2`. */
const [BEFORE, AFTER] = ['(?<![\\w.%+~-])', '(?![\\w%+~-]|\\.\\w)'];

/**
 * The newest of the files that a page or checksum file names and that a pattern fits: the last by natural order.
 * Undefined when there is none.
 */
export function newestFile(text: string, pattern: string): FoundFile | undefined {
  let newest: FoundFile | undefined;
  for (const match of text.matchAll(new RegExp(`${BEFORE}(?:${pattern})${AFTER}`, 'g'))) {
    const [file] = match;
    if (!/^[\w.+~-]+$/.test(file)) continue;
    if (newest === undefined || naturalOrder(newest.file, file) < 0)
      newest = { file, words: { ...match.groups } };
  }
  return newest;
}

/** Runs of digits count as numbers, so that `1.10` comes after `1.9`; all else by its characters. */
export function naturalOrder(a: string, b: string): number {
  const [left, right] = [runsOf(a), runsOf(b)];
  for (const [index, run] of left.entries()) {
    const other = right[index];
    if (other === undefined) return 1;
    const order = compareRuns(run, other);
    if (order !== 0) return order;
  }
  return left.length < right.length ? -1 : 0;
}

function runsOf(text: string): readonly string[] {
  return text.match(/\d+|\D+/g) ?? [];
}

function compareRuns(a: string, b: string): number {
  const areNumbers = /^\d/.test(a) && /^\d/.test(b);
  const [left, right] = areNumbers ? [withoutZeros(a), withoutZeros(b)] : [a, b];
  if (areNumbers && left.length !== right.length) return left.length - right.length;
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function withoutZeros(digits: string): string {
  return digits.replace(/^0+(?=\d)/, '');
}
