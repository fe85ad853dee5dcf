// Images and snapshots as the store has them, of disks that nobody will boot.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ec2Context } from '../../src/ec2/context.ts';
import type { ImageDescription } from '../../src/ec2/images/image-description.ts';
import {
  type ArrivedDisk,
  type ArrivedMapping,
  type Arrivals,
  receiveImage,
} from '../../src/ec2/images/receive-image.ts';
import type { Image } from '../../src/store/images.ts';

export const GIB = 2 ** 30;

export const DESCRIPTION: Omit<ImageDescription, 'name'> = {
  description: 'for a test',
  architecture: 'x86_64',
  bootMode: 'legacy-bios',
  rootDeviceName: '/dev/xvda',
  defaultUser: 'debian',
  firstBoot: 'cloud-init',
  cpuBaseline: null,
};

/** Takes a disk of layers that hold these texts. */
export async function takeTexts(
  { take }: Arrivals,
  texts: readonly string[],
  virtualSize: number = GIB,
): Promise<ArrivedDisk> {
  return take(async (folder) => {
    for (const [number, text] of texts.entries()) writeFileSync(join(folder, `${number}.qcow2`), text);
    const layers = texts.map((text) => `content-sha256:${createHash('sha256').update(text).digest('hex')}`);
    return Promise.resolve({ layers, virtualSize });
  });
}

/** An image whose disks have one layer each, which holds that text; by device name. */
export async function storedImage(
  ctx: Ec2Context,
  name: string,
  disks: Readonly<Record<string, string>> = { '/dev/xvda': name },
): Promise<Image> {
  return receiveImage(ctx, name, async (arrivals) => {
    const mappings: ArrivedMapping[] = [];
    for (const [deviceName, text] of Object.entries(disks))
      mappings.push({ deviceName, disk: await takeTexts(arrivals, [text]) });
    return { description: { ...DESCRIPTION, name }, findings: null, mappings, source: 'a test' };
  });
}
