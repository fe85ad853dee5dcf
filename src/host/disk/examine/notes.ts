import { HostError } from '../../../core/errors.ts';
import { plainText } from './plain-text.ts';
import { USED_UP } from './thrift.ts';

const MAX_NOTES = 40;

/** Why something was not found. An image's oddities are told, never thrown. */
export class Notes {
  readonly #lines = new Set<string>();

  get lines(): readonly string[] {
    return [...this.#lines];
  }

  add(line: string): void {
    const plain = plainText(line, 200);
    if (plain !== undefined && this.#lines.size < MAX_NOTES) this.#lines.add(plain);
  }

  /**
   * The work's result, or undefined and a note when the disk is to blame. A host that cannot read its own file and a
   * caller that gave up are another matter: their errors pass.
   */
  async attempt<T>(where: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      this.add(error.code === USED_UP ? error.message : `${where}: ${error.message}`);
      return undefined;
    }
  }
}
