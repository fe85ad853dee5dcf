import type { DescribeImagesRequest, DescribeImagesResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { type Image, images } from '../../store/images.ts';
import { type Tags, tagsOf } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { type FilterTable, filterTests } from '../filters.ts';
import { ec2Image } from './ec2-image.ts';

type Tagged = { readonly image: Image; readonly tags: Tags };

const FILTERS: FilterTable<Tagged> = {
  architecture: ({ image }) => image.architecture,
  'boot-mode': ({ image }) => image.bootMode,
  description: ({ image }) => image.description,
  'image-id': ({ image }) => image.imageId,
  name: ({ image }) => image.name,
  'root-device-name': ({ image }) => image.rootDeviceName,
  state: ({ image }) => image.state,
  'tag-key': ({ tags }) => Object.keys(tags),
  'tag:*': ({ tags }, key) => tags[key] ?? [],
};

/** EC2's DescribeImages. All images have one owner here, so `Owners` says nothing. */
export function describeImages(
  ctx: Ec2Context,
  { ImageIds = [], Filters = [] }: DescribeImagesRequest,
): DescribeImagesResult {
  const tests = filterTests(Filters, FILTERS);
  const asked = ImageIds.length === 0 ? images.list(ctx.db) : ImageIds.map((id) => imageOf(ctx, id));
  const found = asked
    .map((image) => ({ image, tags: tagsOf(ctx.db, image.imageId) }))
    .filter((tagged) => tests.every((test) => test(tagged)));
  return { Images: found.map(({ image, tags }) => ec2Image(image, { ownerId: ctx.ownerId, tags })) };
}

/** The image of exactly this id. Throws `InvalidAMIID.Malformed` or `InvalidAMIID.NotFound`. */
export function imageOf(ctx: Ec2Context, imageId: string): Image {
  if (!isId('image', imageId))
    throw new Ec2Error('InvalidAMIID.Malformed', `Invalid id: "${imageId}"`, { hint: 'bonami image ls' });
  const image = images.get(ctx.db, imageId);
  if (image === undefined)
    throw new Ec2Error('InvalidAMIID.NotFound', `The image id '[${imageId}]' does not exist`, {
      hint: 'bonami image ls',
    });
  return image;
}
