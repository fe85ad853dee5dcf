import type { ByteSource } from '../byte-source.ts';

/** What is known by its mark and not read, and where libblkid looks for the mark. */
const SIGNATURES: readonly (readonly [name: string, offset: number, magic: string])[] = [
  ['LUKS', 0, 'LUKS\xba\xbe'],
  ['BitLocker', 3, '-FVE-FS-'],
  ['LVM', 24, 'LVM2 001'],
  ['LVM', 512 + 24, 'LVM2 001'],
  ['LVM', 1024 + 24, 'LVM2 001'],
  ['LVM', 1536 + 24, 'LVM2 001'],
  ['swap space', 4096 - 10, 'SWAPSPACE2'],
  ['swap space', 4096 - 10, 'SWAP-SPACE'],
  ['swap space', 65536 - 10, 'SWAPSPACE2'],
  ['Linux RAID', 0, '\xfc\x4e\x2b\xa9'],
  ['Linux RAID', 4096, '\xfc\x4e\x2b\xa9'],
  ['XFS', 0, 'XFSB'],
  ['btrfs', 65600, '_BHRfS_M'],
  ['squashfs', 0, 'hsqs'],
  ['EROFS', 1024, '\xe2\xe1\xf5\xe0'],
  ['F2FS', 1024, '\x10\x20\xf5\xf2'],
  ['NTFS', 3, 'NTFS    '],
  ['exFAT', 3, 'EXFAT   '],
  ['ReiserFS', 65536 + 52, 'ReIsEr'],
  ['JFS', 32768, 'JFS1'],
  ['bcachefs', 4096 + 24, '\xc6\x85\x73\xf6'],
  ['HFS+', 1024, 'H+'],
  ['APFS', 32, 'NXSB'],
  ['UFS', 65536 + 1372, '\x19\x01\x54\x19'],
  ['ISO 9660', 32769, 'CD001'],
];
const HEAD = 68 * 1024;
/** Labels of ZFS begin with 8 KiB of nothing, 8 KiB of boot header, then the pool's name and such, as XDR. */
const ZFS_PAIRS = 16 * 1024;

/** What a partition holds that no reader of ours has opened, as the end of a sentence. */
export async function holds(source: ByteSource): Promise<string> {
  const head = await source.read(0, Math.min(HEAD, source.size));
  const [name] =
    SIGNATURES.find(
      ([, offset, magic]) => head.toString('latin1', offset, offset + magic.length) === magic,
    ) ?? [];
  if (name !== undefined) return `${name} is not read`;
  if (head.subarray(ZFS_PAIRS, ZFS_PAIRS + 512).includes('version')) return 'ZFS is not read';
  return head.every((byte) => byte === 0) ? 'nothing is on it' : 'nothing known is on it';
}
