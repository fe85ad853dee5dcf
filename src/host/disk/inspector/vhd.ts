import type { Format } from './format.ts';
import { headHas, tailHas } from './window.ts';

/** Microsoft's older: a footer, which growing disks repeat at the front. */
export const vhd: Format = {
  name: 'vhd',
  recognises: (window) => headHas(window, 0, 'conectix') || tailHas(window, 'conectix'),
  verdict: { kind: 'refused', hint: 'qemu-img convert -f vpc -O qcow2 OLD.vhd NEW.qcow2' },
};
