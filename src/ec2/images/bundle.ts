// An image as one tar file: a manifest that says everything which the disks do not, and the disks as qcow2 files.
import * as z from 'zod';
import { ARCHITECTURES, BOOT_MODES, CPU_BASELINES } from '../../core/architecture.ts';
import { HostError } from '../../core/errors.ts';
import { FIRST_BOOTS } from '../../core/first-boot.ts';
import { VOLUME_TYPES } from '../../store/schemas.ts';
import { isName } from './image-description.ts';

export const MANIFEST = 'bonami-image.json';
/** A manifest is a page of text. */
export const MAX_MANIFEST_BYTES = 1 << 20;

/** No line breaks, and nothing else that a terminal would obey. */
const sentence = z
  .string()
  .max(1000)
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u);

const disk = z.strictObject({
  /** Name in the bundle. */
  file: z.string().regex(/^[\w.-]{1,100}$/),
  deviceName: z.string().regex(/^\/dev\/[a-z0-9]{1,30}$/),
  /** Of its content: `content-sha256:<hex>`. */
  digest: z.string().regex(/^content-sha256:[0-9a-f]{64}$/),
  /** GiB. */
  volumeSize: z.int().positive().max(65_536),
  volumeType: z.enum(VOLUME_TYPES),
  iops: z.int().positive().nullable(),
  throughput: z.int().positive().nullable(),
  deleteOnTermination: z.boolean(),
});

const manifest = z.strictObject({
  bonamiImage: z.literal(1),
  name: z.string().refine(isName, 'not a name for an image'),
  description: sentence,
  architecture: z.enum(ARCHITECTURES),
  bootMode: z.enum(BOOT_MODES),
  rootDeviceName: z.string().regex(/^\/dev\/[a-z0-9]{1,30}$/),
  defaultUser: z.string().regex(/^[A-Za-z_][\w.-]{0,31}$/),
  firstBoot: z.enum(FIRST_BOOTS),
  cpuBaseline: z.enum(CPU_BASELINES).nullable(),
  creationDate: z.iso.datetime(),
  disks: z.array(disk).min(1).max(26),
  emptyVolumes: z.array(disk.omit({ file: true, digest: true })).max(26),
  instanceStore: z
    .array(
      z.strictObject({
        deviceName: disk.shape.deviceName,
        virtualName: z.string().regex(/^ephemeral\d{1,2}$/),
      }),
    )
    .max(26),
});

export type Manifest = z.infer<typeof manifest>;
export type ManifestDisk = z.infer<typeof disk>;

/** Parses what a bundle says of itself. Throws `BundleBroken`, naming what is wrong; anybody may have written it. */
export function parseManifest(text: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw broken(['not JSON'], cause);
  }
  const parsed = manifest.safeParse(json);
  if (!parsed.success) throw broken(z.prettifyError(parsed.error).split('\n'), undefined);
  const { disks, emptyVolumes, instanceStore, rootDeviceName } = parsed.data;
  const names = [...disks, ...emptyVolumes, ...instanceStore].map(({ deviceName }) => deviceName);
  if (new Set(names).size < names.length) throw broken(['two disks have one device name'], undefined);
  if (new Set(disks.map(({ file }) => file)).size < disks.length)
    throw broken(['two disks have one file'], undefined);
  if (!disks.some(({ deviceName }) => deviceName === rootDeviceName))
    throw broken([`the root device ${rootDeviceName} has no disk`], undefined);
  return parsed.data;
}

export function formatManifest(content: Manifest): string {
  return `${JSON.stringify(manifest.parse(content), null, 2)}\n`;
}

function broken(details: readonly string[], cause: unknown): HostError {
  return new HostError('BundleBroken', `the manifest '${MANIFEST}' of the bundle is not valid`, {
    details,
    cause,
  });
}
