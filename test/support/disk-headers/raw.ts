/** A raw disk of `bytes` with one Linux partition in its MBR. */
export function mbrDisk(bytes = 1 << 20): Buffer {
  const disk = Buffer.alloc(bytes);
  disk.writeUInt8(0x80, 446);
  disk.writeUInt8(0x83, 450);
  disk.writeUInt32LE(64, 454);
  disk.writeUInt32LE(Math.floor(bytes / 512) - 64, 458);
  disk.writeUInt16BE(0x55aa, 510);
  return disk;
}

/** A file of zeros with text at some places. */
export function fileWith(places: Readonly<Record<number, string>>, bytes = 1 << 17): Buffer {
  const file = Buffer.alloc(bytes);
  for (const [offset, text] of Object.entries(places)) file.write(text, Number(offset), 'latin1');
  return file;
}
