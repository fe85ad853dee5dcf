import type { Filter } from '@aws-sdk/client-ec2';
import type { Ec2Context } from '../ec2/context.ts';

/** How people call what they mean, for help texts. */
export const BY_NAME = 'id, a beginning of it, or Name tag';

/** The option that keeps a list to one VPC. */
export const OF_VPC = { type: 'string', describe: 'only those of this VPC' } as const;

/** A request's filters for `--vpc`. */
export async function ofVpc(ctx: Ec2Context, vpc: string | undefined): Promise<{ Filters?: Filter[] }> {
  if (vpc === undefined) return {};
  const { resolveVpc } = await import('../ec2/resolve-in-vpc.ts');
  return { Filters: [{ Name: 'vpc-id', Values: [await resolveVpc(ctx, vpc)] }] };
}

/** An option that is switched. */
export function onOff<const D extends string>(
  describe: D,
): { readonly choices: readonly ['on', 'off']; readonly describe: D } {
  return { choices: ['on', 'off'], describe };
}
