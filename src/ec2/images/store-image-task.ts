// A bucket as a library of images for several hosts (AWS: "Store and restore an AMI").
import type {
  CreateRestoreImageTaskRequest,
  CreateRestoreImageTaskResult,
  CreateStoreImageTaskRequest,
  CreateStoreImageTaskResult,
} from '@aws-sdk/client-ec2';
import type { Ec2Context } from '../context.ts';
import { exportImage } from './export-image.ts';
import { importImage } from './import-image.ts';
import { imageOf } from './describe-images.ts';
import type { S3Place } from './sources/open-source.ts';

/** What bonami adds to both: where the bucket is, when it is not Amazon's. */
interface InStore {
  readonly Bonami?: S3Place;
}

/**
 * EC2's CreateStoreImageTask: all disks of an image and what it is, as one compressed object named after it. Unlike in
 * EC2 it is there when this resolves.
 */
export async function createStoreImageTask(
  ctx: Ec2Context,
  { ImageId = '', Bucket = '', Bonami }: Partial<CreateStoreImageTaskRequest> & InStore,
): Promise<CreateStoreImageTaskResult> {
  const { imageId } = imageOf(ctx, ImageId);
  const ObjectKey = `${imageId}.bin`;
  await exportImage(ctx, {
    image: imageId,
    destination: `s3://${Bucket}/${ObjectKey}`,
    format: 'tar',
    compress: true,
    replace: true,
    s3: Bonami,
  });
  return { ObjectKey };
}

/** EC2's CreateRestoreImageTask. The digest of every disk is verified; the image has an id of its own here. */
export async function createRestoreImageTask(
  ctx: Ec2Context,
  { Bucket = '', ObjectKey = '', Name, Bonami }: Partial<CreateRestoreImageTaskRequest> & InStore,
): Promise<CreateRestoreImageTaskResult> {
  const { imageId } = await importImage(ctx, {
    source: `s3://${Bucket}/${ObjectKey}`,
    s3: Bonami,
    said: Name === undefined ? {} : { name: Name },
  });
  return { ImageId: imageId };
}
