/** What is needed of it; its full types come with a browser's. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer };
};

const WASM_PAGE_BYTES = 65536;

/**
 * Memory that begins at the start of a page, as O_DIRECT asks for. Node's own buffers begin anywhere; memory for
 * WebAssembly is the only one that is laid on pages. Where there is none, it is a buffer like others.
 */
export function pageAligned(bytes: number): Buffer {
  try {
    const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / WASM_PAGE_BYTES) });
    return Buffer.from(memory.buffer, 0, bytes);
  } catch {
    // It sets gigabytes of address space aside, which a limit may forbid.
    return Buffer.allocUnsafeSlow(bytes);
  }
}
