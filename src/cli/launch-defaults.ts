import { Ec2Error } from '../core/errors.ts';
import type { Ec2Context } from '../ec2/context.ts';

/** The image that is meant; one of the catalog that is not here yet is fetched or built first. */
export async function findOrPullImage(ctx: Ec2Context, reference: string | undefined): Promise<string> {
  const { DEFAULT_IMAGE, resolveImage } = await import('../ec2/images/resolve-image.ts');
  try {
    return resolveImage(ctx.db, reference).imageId;
  } catch (error) {
    if (!(error instanceof Ec2Error) || error.code !== 'InvalidAMIID.NotFound') throw error;
    const { readCatalog } = await import('../ec2/images/catalog.ts');
    const wanted = reference ?? DEFAULT_IMAGE;
    const known = (await readCatalog(ctx.catalog)).some(({ name }) => name === wanted);
    if (!known) throw error;
    ctx.report.info(`the image ${wanted} is not here yet: getting it (once)`);
    const { pullImage } = await import('../ec2/images/pull-image.ts');
    return (await pullImage(ctx, { name: wanted })).imageId;
  }
}

/** The key pair that bonami made for its own use, made now if this is the first use. */
export async function defaultKeyName(ctx: Ec2Context): Promise<string> {
  const { ensureDefaultKeyPair } = await import('../ec2/key-pairs/default-key-pair.ts');
  return (await ensureDefaultKeyPair(ctx)).keyName;
}
