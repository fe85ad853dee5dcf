import { HostError } from '../../../src/core/errors.ts';
import { type InspectOptions, inspect, placeToRead } from '../../../src/host/disk/inspector/inspect.ts';
import { HEAD_BYTES, TAIL_BYTES, type Window } from '../../../src/host/disk/inspector/window.ts';

/** What the inspector gets to see of a file. */
export function windowOf(file: Buffer): Window {
  const ends = {
    head: file.subarray(0, HEAD_BYTES),
    tail: file.subarray(Math.max(0, file.length - TAIL_BYTES)),
    part: Buffer.alloc(0),
    size: file.length,
  };
  const place = placeToRead(ends);
  return place ? { ...ends, part: file.subarray(place.offset, place.offset + place.length) } : ends;
}

export interface Verdict {
  /** `passed`, or the refusal's code. */
  readonly code: string;
  readonly message: string;
}

/** The inspector's verdict. Throws whatever is not a refusal of ours, or says too little. */
export function verdictOn(file: Buffer, options: InspectOptions = {}): Verdict {
  try {
    inspect(windowOf(file), options);
    return { code: 'passed', message: '' };
  } catch (error) {
    // A sentence that says what is wrong with what, or it is not a refusal of ours.
    if (!(error instanceof HostError) || !/^the [ -~]+[^.]$/.test(error.message)) throw error;
    return { code: error.code, message: error.message };
  }
}

export function codeOf(file: Buffer, options: InspectOptions = {}): string {
  return verdictOn(file, options).code;
}
