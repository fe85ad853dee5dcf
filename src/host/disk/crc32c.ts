/** CRC-32C (Castagnoli), reflected: RFC 3720, appendix B.4. Node's zlib has only the other CRC-32. */
const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

export function crc32c(bytes: Uint8Array): number {
  return ~crc32cFrom(0xffffffff, bytes) >>> 0;
}

/** CRC-32C from this state on, without the usual inversions before and after: Linux's crc32c(). */
export function crc32cFrom(state: number, bytes: Uint8Array): number {
  let crc = state;
  // By index: an iterator takes six times as long.
  for (let at = 0; at < bytes.length; at++) crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0);
  return crc >>> 0;
}
