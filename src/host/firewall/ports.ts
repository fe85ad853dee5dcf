/** Ports from the first to the last, both included. */
export interface Ports {
  readonly from: number;
  readonly to: number;
}

/** The same ports in ascending ranges that neither overlap nor touch. */
export function united(ranges: readonly Ports[]): readonly Ports[] {
  const result: Ports[] = [];
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = result.at(-1);
    if (last !== undefined && from <= last.to + 1)
      result.splice(-1, 1, { from: last.from, to: Math.max(last.to, to) });
    else result.push({ from, to });
  }
  return result;
}

/** What is in the one and not in the other; both as `united` gives them. */
export function without(ranges: readonly Ports[], holes: readonly Ports[]): readonly Ports[] {
  return ranges.flatMap(({ from, to }) => {
    const left: Ports[] = [];
    let start = from;
    for (const hole of holes) {
      if (hole.to < start || hole.from > to) continue;
      if (hole.from > start) left.push({ from: start, to: hole.from - 1 });
      start = hole.to + 1;
    }
    if (start <= to) left.push({ from: start, to });
    return left;
  });
}
