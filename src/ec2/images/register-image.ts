import type { RegisterImageRequest, RegisterImageResult } from '@aws-sdk/client-ec2';
import { ARCHITECTURES, BOOT_MODES } from '../../core/architecture.ts';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { type EbsMapping, type Image, images } from '../../store/images.ts';
import { putTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { planDisks } from '../instances/block-devices.ts';
import { requireSnapshot } from '../snapshots/resolve-snapshot.ts';
import { checkedTags } from '../tags/checked-tags.ts';
import { checkName, checkSaid } from './image-description.ts';

/** What bonami adds to EC2's RegisterImage: what a disk does not tell when nobody looks at it. */
export interface RegisterImageInput extends Partial<RegisterImageRequest> {
  readonly Bonami?: { readonly DefaultUser?: string; readonly FirstBoot?: Image['firstBoot'] };
}

/** EC2's RegisterImage: an image around snapshots that are there already. The root device must be one of them. */
export function registerImage(ctx: Ec2Context, request: RegisterImageInput): RegisterImageResult {
  const { Name = '', Description = '', RootDeviceName = '/dev/xvda', Bonami = {} } = request;
  checkName(Name);
  checkSaid({ rootDeviceName: RootDeviceName, defaultUser: Bonami.DefaultUser });
  const architecture = oneOf(ARCHITECTURES, request.Architecture ?? 'x86_64', 'architecture');
  const isArm = architecture === 'arm64' || architecture === 'armhf';
  const image: Image = {
    imageId: newId('image'),
    name: Name,
    description: Description,
    architecture,
    bootMode: oneOf(BOOT_MODES, request.BootMode ?? (isArm ? 'uefi' : 'legacy-bios'), 'boot mode'),
    rootDeviceName: RootDeviceName,
    blockDeviceMappings: [],
    state: 'available',
    creationDate: ctx.now().toISOString(),
    defaultUser: Bonami.DefaultUser ?? 'ec2-user',
    firstBoot: Bonami.FirstBoot ?? 'cloud-init',
    cpuBaseline: null,
    findings: null,
    sourceInstanceId: null,
    source: 'registered',
  };
  transact(ctx.db, () => {
    images.insert(ctx.db, { ...image, blockDeviceMappings: mappingsOf(ctx, image, request) });
    putTags(
      ctx.db,
      image.imageId,
      checkedTags((request.TagSpecifications ?? []).flatMap(({ Tags = [] }) => Tags)),
    );
  });
  return { ImageId: image.imageId };
}

function mappingsOf(
  ctx: Ec2Context,
  { name, rootDeviceName }: Image,
  { BlockDeviceMappings = [] }: RegisterImageInput,
): Image['blockDeviceMappings'] {
  const { volumes } = planDisks({
    image: { name, rootDeviceName, blockDeviceMappings: [] },
    requested: BlockDeviceMappings,
    instanceType: '',
    snapshot: (id) => requireSnapshot(ctx.db, id),
  });
  const ebs = volumes.map(({ size, isLimited: _isLimited, ...volume }): EbsMapping => ({
    kind: 'ebs',
    ...volume,
    volumeSize: size,
  }));
  if (!ebs.some(({ deviceName, snapshotId }) => deviceName === rootDeviceName && snapshotId !== null))
    throw new Ec2Error('InvalidBlockDeviceMapping', `The root device '${rootDeviceName}' has no snapshot`, {
      hint: `-b ${rootDeviceName}=snap-…`,
    });
  return [
    ...ebs,
    ...BlockDeviceMappings.flatMap(({ DeviceName = '', VirtualName }) =>
      VirtualName === undefined
        ? []
        : [{ kind: 'instance-store' as const, deviceName: DeviceName, virtualName: VirtualName }],
    ),
  ];
}

function oneOf<T extends string>(known: readonly T[], text: string, what: string): T {
  const found = known.find((each) => each === text);
  if (found !== undefined) return found;
  throw new Ec2Error('InvalidParameterValue', `'${text}' is not an ${what}`, { hint: known.join(', ') });
}
