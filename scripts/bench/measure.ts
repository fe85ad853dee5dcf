export interface Row {
  readonly what: string;
  readonly measured: string;
  /** Medians, in milliseconds unless `measured` says otherwise. */
  readonly bonami: number;
  readonly reference?: number;
  readonly against?: string;
  readonly aim?: string;
  readonly samples: readonly number[];
  readonly referenceSamples?: readonly number[];
}

export const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);

/** Milliseconds of each round. */
export async function times(rounds: number, work: () => PromiseLike<unknown>): Promise<number[]> {
  const taken: number[] = [];
  for (let round = 0; round < rounds; round += 1) taken.push(await time(work));
  return taken;
}

export async function time(work: () => PromiseLike<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.floor(sorted.length / 2)] ?? Number.NaN);
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** One way of doing something. */
export interface Way {
  readonly work: () => PromiseLike<unknown>;
  /** Not measured: what has to be there before, and what has to go away after. */
  readonly before?: () => PromiseLike<unknown>;
  readonly after?: () => PromiseLike<unknown>;
}

/** Measures each way once in each round: whatever slows the host down slows all of them down. */
export async function alternate<Name extends string>(
  what: string,
  ways: Readonly<Record<Name, Way>>,
): Promise<Readonly<Record<Name, readonly number[]>>> {
  const names = Object.keys(ways) as Name[];
  const taken = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round < ROUNDS; round += 1) {
    // Not always in the same order: what one leaves in caches and queues is not always the same one's gain.
    const turn = names.map((_, index) => names[(index + round) % names.length] as Name);
    for (const name of turn) {
      const { work, before, after } = ways[name];
      await before?.();
      taken[name].push(await time(work));
      await after?.();
    }
    note(
      `${what}, round ${round + 1}: ${names.map((name) => `${name} ${seconds(taken[name].at(-1))}`).join(', ')}`,
    );
  }
  return taken;
}

function seconds(milliseconds = Number.NaN): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

export interface Comparison extends Pick<Row, 'what' | 'against' | 'aim'> {
  readonly measured?: string;
}

export function compared(
  samples: readonly number[],
  referenceSamples: readonly number[],
  { measured = 'ms', ...comparison }: Comparison,
): Row {
  return {
    ...comparison,
    measured,
    bonami: median(samples),
    reference: median(referenceSamples),
    samples,
    referenceSamples,
  };
}
