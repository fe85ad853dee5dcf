import type { Format } from './format.ts';
import { type Window, headHas } from './window.ts';

/** VMware's: a sparse extent, ESX' older one, or a text that names other files. */
export const vmdk: Format = {
  name: 'vmdk',
  recognises: (window) => headHas(window, 0, 'KDMV') || headHas(window, 0, 'COWD') || isDescriptor(window),
  verdict: { kind: 'refused', hint: 'qemu-img convert -f vmdk -O qcow2 OLD.vmdk NEW.qcow2' },
};

/** Text whose first line that is neither empty nor a comment is `version=…`: what QEMU takes for a descriptor. */
function isDescriptor({ head }: Window): boolean {
  const lines = head.toString('latin1', 0, 4096).split('\n');
  const first = lines.find((line) => line.trim() !== '' && !line.startsWith('#'));
  return first?.startsWith('version=') === true || lines[0]?.startsWith('# Disk DescriptorFile') === true;
}
