/** A GUID as UEFI stores it, its first three fields little-endian, in lower case. UEFI specification, appendix A. */
export function guidAt(bytes: Buffer, offset: number): string {
  const field = (start: number, length: number): Buffer =>
    bytes.subarray(offset + start, offset + start + length);
  const parts = [
    Buffer.from(field(0, 4)).reverse(),
    Buffer.from(field(4, 2)).reverse(),
    Buffer.from(field(6, 2)).reverse(),
    field(8, 2),
    field(10, 6),
  ];
  return parts.map((part) => part.toString('hex')).join('-');
}

/** A UUID whose bytes stand in the order in which it is printed, in lower case; empty when all of them are 0. */
export function uuidAt(bytes: Buffer, offset: number): string {
  const hex = bytes.toString('hex', offset, offset + 16);
  if (/^0*$/.test(hex)) return '';
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
