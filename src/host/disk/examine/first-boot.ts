import type { FirstBoot } from '../../../core/first-boot.ts';
import type { FileSystem } from '../files/file-system.ts';
import { existsOne } from '../files/paths.ts';
import type { CloudInit } from './cloud-init.ts';
import type { Distribution } from './os-release.ts';

/** Ignition runs in the initramfs, where nobody looks; these are what its packages leave outside. */
const IGNITION: readonly string[] = [
  'usr/lib/ignition',
  'usr/share/ignition',
  'usr/lib/dracut/modules.d/30ignition',
];
const IGNITION_SYSTEMS: readonly string[] = ['flatcar', 'coreos', 'rhcos'];
/** cirros-dev/cirros: src/etc. */
const CIRROS: readonly string[] = ['etc/cirros-init', 'etc/cirros'];
/** FreeBSD: libexec/nuageinit. */
const NUAGEINIT: readonly string[] = ['usr/libexec/nuageinit'];

export interface FirstBootClues {
  readonly cloudInit: CloudInit;
  readonly distribution: Distribution | undefined;
}

/** Throws `ImageCorrupt` rather than say `none` of a system that it could not look into. */
export async function findFirstBoot(
  files: FileSystem,
  { cloudInit, distribution }: FirstBootClues,
): Promise<FirstBoot> {
  if (cloudInit.present) return 'cloud-init';
  const names = [distribution?.id, distribution?.variant];
  if (names.some((name) => name !== undefined && IGNITION_SYSTEMS.includes(name))) return 'ignition';
  if (await existsOne(files, IGNITION)) return 'ignition';
  if (await existsOne(files, CIRROS)) return 'cirros-init';
  return (await existsOne(files, NUAGEINIT)) ? 'nuageinit' : 'none';
}
