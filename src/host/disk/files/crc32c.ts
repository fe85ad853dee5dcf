const CASTAGNOLI_REVERSED = 0x82f63b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ CASTAGNOLI_REVERSED : value >>> 1;
  return value;
});

/** CRC-32C from this state on, without the usual inversions before and after: Linux's crc32c(). */
export function crc32c(state: number, bytes: Uint8Array): number {
  let crc = state;
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0);
  return crc >>> 0;
}
