import type { Format } from './format.ts';
import { type Window, headHas, tailHas } from './window.ts';

/** Formats that are recognised so that they are refused by name, and so that nothing passes as two things at once. */
export const neverAccepted: readonly Format[] = [
  refused('qed', (w) => headHas(w, 0, 'QED\0'), converted('qed')),
  refused(
    'parallels',
    (w) => headHas(w, 0, 'WithoutFreeSpace') || headHas(w, 0, 'WithouFreSpacExt'),
    converted('parallels'),
  ),
  refused('bochs', (w) => headHas(w, 0, 'Bochs Virtual HD Image'), converted('bochs')),
  refused('cloop', (w) => headHas(w, 0, '#!/bin/sh\n#V2.0 Format\nmodprobe cloop'), converted('cloop')),
  refused('dmg', (w) => tailHas(w, 'koly'), converted('dmg')),
  refused(
    'luks',
    (w) => headHas(w, 0, 'LUKS\xba\xbe') || headHas(w, 0x4000, 'SKUL\xba\xbe'),
    'decrypt the disk first; a guest can encrypt its own disk again',
  ),
  // Three places of a volume descriptor: a disk with boot code in front of it is still an ISO.
  refused(
    'iso',
    (w) =>
      ['CD001', 'NSR02', 'NSR03'].some((magic) => headHas(w, 0x8001, magic) || headHas(w, 0x8801, magic)),
    'an installer or live CD is not a machine image; install it into a disk image first',
  ),
  refused('gzip', (w) => headHas(w, 0, '\x1f\x8b\x08'), 'gunzip -k FILE'),
  refused('xz', (w) => headHas(w, 0, '\xfd7zXZ\0'), 'unxz -k FILE'),
  refused('zstd', (w) => headHas(w, 0, '\x28\xb5\x2f\xfd'), 'unzstd FILE'),
  refused('bzip2', (w) => headHas(w, 0, 'BZh') && headHas(w, 4, '1AY&SY'), 'bunzip2 -k FILE'),
  refused('zip', (w) => headHas(w, 0, 'PK\x03\x04'), 'unzip FILE'),
  refused('tar (an OVA is one)', (w) => headHas(w, 257, 'ustar'), 'tar -xf FILE, then import the disk in it'),
];

function refused(name: string, recognises: (window: Window) => boolean, hint: string): Format {
  return { name, recognises, verdict: { kind: 'refused', hint } };
}

function converted(qemuName: string): string {
  return `if you trust its author: qemu-img convert -f ${qemuName} -O qcow2 OLD NEW.qcow2`;
}
