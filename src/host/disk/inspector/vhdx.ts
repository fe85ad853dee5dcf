import type { Format } from './format.ts';
import { headHas } from './window.ts';

/** Microsoft's newer. */
export const vhdx: Format = {
  name: 'vhdx',
  recognises: (window) => headHas(window, 0, 'vhdxfile'),
  verdict: { kind: 'refused', hint: 'qemu-img convert -f vhdx -O qcow2 OLD.vhdx NEW.qcow2' },
};
