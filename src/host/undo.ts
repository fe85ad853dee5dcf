import { HostError } from '../core/errors.ts';

/** A stack of undo steps: write the undo on the line after the do. */
export class Undo {
  #steps: { readonly name: string; readonly undo: () => void | Promise<void> }[] = [];

  add(name: string, undo: () => void | Promise<void>): void {
    this.#steps.push({ name, undo });
  }

  /** Runs all steps, last first. One failing step never hides the others; their errors are returned. */
  async run(): Promise<readonly HostError[]> {
    const failed: HostError[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.undo();
      } catch (cause) {
        failed.push(new HostError('UndoFailed', `could not undo ${step.name}`, { cause }));
      }
    }
    return failed;
  }

  /** The work succeeded: nothing is left to undo. */
  forget(): void {
    this.#steps = [];
  }
}
