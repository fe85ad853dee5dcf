import type { ResourceType, Tag, TagSpecification } from '@aws-sdk/client-ec2';

/** The option that names what is made. */
export const NAME = { alias: 'n', type: 'string', describe: 'its Name tag' } as const;

/** The option that keeps a list to one VPC. */
export const OF_VPC = { type: 'string', describe: 'only those of this VPC' } as const;

/** How people call what they mean, for help texts. */
export const BY_NAME = 'id, a beginning of it, or Name tag';

/** An option that is switched. */
export function onOff<const D extends string>(
  describe: D,
): { readonly choices: readonly ['on', 'off']; readonly describe: D } {
  return { choices: ['on', 'off'], describe };
}

/** A request's tags for `--name`. */
export function named(
  resourceType: ResourceType,
  name: string | undefined,
): { TagSpecifications?: TagSpecification[] } {
  if (name === undefined) return {};
  return { TagSpecifications: [{ ResourceType: resourceType, Tags: [{ Key: 'Name', Value: name }] }] };
}

/** The Name tag among a response's tags. */
export function nameOf(tags: readonly Tag[] | undefined): string {
  return tags?.find(({ Key }) => Key === 'Name')?.Value ?? '';
}

/** `i-… (web)`: what was made or changed, as one line says it. */
export function withName(id: string | undefined, name: string | undefined): string {
  return name === undefined || name === '' ? (id ?? '') : `${id ?? ''}  ${name}`;
}
