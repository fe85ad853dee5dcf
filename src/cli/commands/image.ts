import type { Image } from '@aws-sdk/client-ec2';
import { resolve } from 'node:path';
import { ARCHITECTURES, BOOT_MODES } from '../../core/architecture.ts';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand, defineGroup } from '../define-command.ts';
import { formatAge, type Output } from '../output.ts';

const ls = defineCommand({
  command: 'ls',
  describe: 'images that can be launched',
  handler: async (_args, { out, open }) => {
    const ctx = open();
    const { describeImages } = await import('../../ec2/images/describe-images.ts');
    const response = describeImages(ctx, {});
    out.result(response, () => {
      const images = response.Images ?? [];
      if (images.length === 0) out.info('no images yet; get one with: bonami image pull debian-12');
      else print(out, images, ctx);
    });
  },
});

const catalog = defineCommand({
  command: 'catalog',
  describe: 'images that can be had',
  handler: async (_args, { out, open }) => {
    const ctx = open();
    const { readCatalog } = await import('../../ec2/images/catalog.ts');
    const entries = await readCatalog(ctx.catalog);
    out.result(entries, () =>
      out.table(
        ['NAME', 'ARCH', 'BOOT', 'USER', 'DESCRIPTION'],
        entries.map((each) => [
          each.name,
          each.architecture,
          each.bootMode,
          each.defaultUser,
          each.description,
        ]),
      ),
    );
  },
});

const pull = defineCommand({
  command: 'pull [name]',
  describe:
    'get an image of the catalog: downloaded and verified, or built where that host cannot be reached',
  positionals: { name: { type: 'string', default: 'debian-12', describe: 'a name of the catalog' } },
  examples: [['image pull debian-12', 'the default image']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { pullImage } = await import('../../ec2/images/pull-image.ts');
    await printOne(ctx, out, (await pullImage(ctx, { name: String(args['name']) })).imageId);
  },
});

const build = defineCommand({
  command: 'build <name>',
  describe: "build an image from Debian's packages by its recipe",
  positionals: { name: { type: 'string', describe: 'a name of the catalog' } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { buildImage } = await import('../../ec2/images/build-image.ts');
    await printOne(ctx, out, (await buildImage(ctx, { name: String(args['name']) })).imageId);
  },
});

const import_ = defineCommand({
  command: 'import <path>',
  describe: 'take a disk file (qcow2, raw, VMDK, VHD, VHDX, VDI) into the store, after looking at it closely',
  positionals: { path: { type: 'string', describe: 'a disk file' } },
  options: {
    name: { alias: 'n', type: 'string', describe: 'name; without it the file name' },
    description: { type: 'string', describe: 'a sentence about it' },
    architecture: { choices: ARCHITECTURES, describe: "of its kernel; without it this host's" },
    'boot-mode': { choices: BOOT_MODES, describe: 'firmware that it needs' },
    'root-device': {
      type: 'string',
      defaultDescription: '/dev/xvda',
      describe: "EC2's name of its root device",
    },
    user: { type: 'string', describe: 'login of its default user; without it guessed from the name' },
    'first-boot': {
      choices: ['cloud-init', 'tiny', 'none'] as const,
      defaultDescription: 'cloud-init',
      describe: 'what configures it at its first boot',
    },
    format: {
      choices: ['qcow2', 'raw', 'vmdk', 'vpc', 'vhdx', 'vdi'] as const,
      describe: 'take it as this format (vpc is VHD)',
    },
  },
  examples: [['image import fedora.qcow2 --user fedora', 'bring your own image']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { importImage } = await import('../../ec2/images/import-image.ts');
    const image = await importImage(ctx, {
      path: resolve(String(args['path'])),
      format: args.format,
      name: args.name,
      description: args.description,
      architecture: args.architecture,
      bootMode: args['boot-mode'],
      rootDeviceName: args['root-device'],
      defaultUser: args.user,
      firstBoot: args['first-boot'],
    });
    await printOne(ctx, out, image.imageId);
  },
});

const show = defineCommand({
  command: 'show <image>',
  describe: 'show all about one image',
  positionals: { image: { type: 'string', describe: 'image id or name' } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveImage } = await import('../../ec2/images/resolve-image.ts');
    await printOne(ctx, out, resolveImage(ctx.db, String(args['image'])).imageId);
  },
});

const rm = defineCommand({
  command: 'rm <image>',
  describe: 'remove an image that no volume stands on',
  positionals: { image: { type: 'string', describe: 'image id or name' } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveImage } = await import('../../ec2/images/resolve-image.ts');
    const { deregisterImage } = await import('../../ec2/images/deregister-image.ts');
    const { imageId } = resolveImage(ctx.db, String(args['image']));
    out.result(await deregisterImage(ctx, { ImageId: imageId }), () => out.line(`${imageId}  removed`));
  },
});

export const image = defineGroup('image', 'images: list, get, build, import, remove', [
  ls,
  catalog,
  pull,
  build,
  import_,
  show,
  rm,
]);

function print(out: Output, images: readonly Image[], ctx: Ec2Context): void {
  out.table(
    ['IMAGE', 'NAME', 'ARCH', 'BOOT', 'ROOT', 'AGE'],
    images.map((each) => [
      each.ImageId ?? '',
      each.Name ?? '',
      each.Architecture ?? '',
      each.BootMode ?? '',
      `${each.RootDeviceName} ${each.BlockDeviceMappings?.[0]?.Ebs?.VolumeSize ?? '?'} GiB`,
      formatAge(each.CreationDate === undefined ? undefined : new Date(each.CreationDate), ctx.now()),
    ]),
  );
}

async function printOne(ctx: Ec2Context, out: Output, imageId: string): Promise<void> {
  const { describeImages } = await import('../../ec2/images/describe-images.ts');
  const { imageProvenance } = await import('../../ec2/images/resolve-image.ts');
  const [each] = describeImages(ctx, { ImageIds: [imageId] }).Images ?? [];
  if (each === undefined) return;
  const { source, digest, defaultUser } = imageProvenance(ctx.db, imageId);
  out.result(each, () =>
    out.facts([
      ['image', each.ImageId],
      ['name', each.Name],
      ['description', each.Description],
      ['state', each.State],
      ['architecture', `${each.Architecture}, ${each.BootMode}`],
      ['root device', `${each.RootDeviceName}, ${each.BlockDeviceMappings?.[0]?.Ebs?.VolumeSize ?? '?'} GiB`],
      ['login', defaultUser],
      ['from', source],
      ['digest', digest ?? undefined],
      ['created', each.CreationDate],
    ]),
  );
}
