import { defineCommand, defineGroup } from '../../define-command.ts';
import { create } from './create.ts';
import { export_, restore, store } from './export.ts';
import { catalog, build, pull } from './get.ts';
import { import_ } from './import.ts';
import { printImage, printImages } from './print-images.ts';
import { register } from './register.ts';
import { prune, rm } from './remove.ts';

const ls = defineCommand({
  command: 'ls',
  describe: 'images that can be launched',
  handler: async (_args, { out, open }) => {
    const ctx = open();
    const { describeImages } = await import('../../../ec2/images/describe-images.ts');
    const response = describeImages(ctx, {});
    out.result(response, () => {
      const images = response.Images ?? [];
      if (images.length === 0) out.info('no images yet; get one with: bonami image pull debian-12');
      else printImages(out, images, ctx);
    });
  },
});

const show = defineCommand({
  command: 'show <image>',
  describe: 'show all about one image',
  positionals: { image: { type: 'string', describe: 'image id or name' } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveImage } = await import('../../../ec2/images/resolve-image.ts');
    await printImage(ctx, out, resolveImage(ctx.db, String(args['image'])).imageId);
  },
});

const copy = defineCommand({
  command: 'copy <image> <name>',
  describe: 'another image of the same contents; it takes no space',
  positionals: {
    image: { type: 'string', describe: 'image id or name' },
    name: { type: 'string', describe: 'name of the copy' },
  },
  options: { description: { type: 'string', describe: 'a sentence about it' } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { copyImage } = await import('../../../ec2/images/copy-image.ts');
    const { description } = args;
    const { ImageId = '' } = await copyImage(ctx, {
      SourceImageId: String(args['image']),
      Name: String(args['name']),
      ...(description === undefined ? {} : { Description: description }),
    });
    await printImage(ctx, out, ImageId);
  },
});

export const image = defineGroup('image', 'images: list, get, import, create, export, remove', [
  ls,
  show,
  catalog,
  pull,
  build,
  import_,
  create,
  register,
  copy,
  export_,
  store,
  restore,
  rm,
  prune,
]);
