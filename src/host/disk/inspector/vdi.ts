import type { Format } from './format.ts';
import { headHas } from './window.ts';

/** VirtualBox'. The text before the magic is free. */
export const vdi: Format = {
  name: 'vdi',
  recognises: (window) => headHas(window, 0x40, '\x7f\x10\xda\xbe'),
  verdict: { kind: 'refused', hint: 'qemu-img convert -f vdi -O qcow2 OLD.vdi NEW.qcow2' },
};
