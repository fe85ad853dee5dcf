/** The GUID at `offset` as Microsoft writes it: its first three fields are little-endian numbers. */
export function guidAt(bytes: Buffer, offset: number): string {
  const number = (at: number, length: number): string =>
    bytes
      .readUIntLE(offset + at, length)
      .toString(16)
      .padStart(2 * length, '0');
  const rest = bytes.toString('hex', offset + 8, offset + 16);
  return [number(0, 4), number(4, 2), number(6, 2), rest.slice(0, 4), rest.slice(4)].join('-').toUpperCase();
}
