import type { CatalogEntry } from '../../../ec2/images/catalog.ts';
import { defineCommand } from '../../define-command.ts';
import { printImage } from './print-images.ts';

export const catalog = defineCommand({
  command: 'catalog',
  describe: 'images that can be had',
  handler: async (_args, { out, open }) => {
    const ctx = open();
    const { readCatalog } = await import('../../../ec2/images/catalog.ts');
    const entries = await readCatalog(ctx.catalog);
    out.result(entries, () => {
      out.table(
        ['NAME', 'ARCH', 'BOOT', 'USER', 'FIRST-BOOT', 'CHECKED'],
        entries.map((each) => [
          each.name,
          each.architecture,
          each.bootMode,
          each.defaultUser,
          each.firstBoot,
          checked(each),
        ]),
      );
      if (entries.some((each) => checked(each) === 'no'))
        out.info(
          "CHECKED no: by the publisher's word, but nobody has seen this download answer and boot yet",
        );
    });
  },
});

export const pull = defineCommand({
  command: 'pull [name]',
  describe:
    'get an image of the catalog: downloaded and verified, or built where that host cannot be reached',
  positionals: { name: { type: 'string', default: 'debian-12', describe: 'a name of the catalog' } },
  examples: [
    ['image pull debian-12', 'the default image'],
    ['image pull ubuntu-24.04-arm64', 'the newest release of another, for another architecture'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { pullImage } = await import('../../../ec2/images/pull-image.ts');
    await printImage(ctx, out, (await pullImage(ctx, { name: String(args['name']) })).imageId);
  },
});

export const build = defineCommand({
  command: 'build <name>',
  describe: "build an image from Debian's packages by its recipe",
  positionals: { name: { type: 'string', describe: 'a name of the catalog' } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { buildImage } = await import('../../../ec2/images/build-image.ts');
    await printImage(ctx, out, (await buildImage(ctx, { name: String(args['name']) })).imageId);
  },
});

function checked({ download }: CatalogEntry): string {
  if (download === undefined) return 'built here';
  return download.checkedLive ? 'yes' : 'no';
}
