import { messageOf } from '../../core/errors.ts';

export interface Finding {
  readonly name: string;
  /** `fail`: nothing can be launched; `warn`: something will not work or is slow; `info`: good to know. */
  readonly status: 'ok' | 'info' | 'warn' | 'fail';
  readonly fact: string;
  /** A command that mends it. */
  readonly remedy?: string;
}

/** What a probe finds; one that fails says so itself. */
export async function guarded(
  name: string,
  probe: () => Finding | readonly Finding[] | Promise<Finding | readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return [await probe()].flat();
  } catch (error) {
    return [{ name, status: 'warn', fact: `could not be found out: ${messageOf(error)}` }];
  }
}
