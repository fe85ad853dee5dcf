import type { ResourceType, Tag, TagSpecification } from '@aws-sdk/client-ec2';
import { parseTags } from './parse.ts';

/** The options that name and tag what a command makes. */
export const TAG_OPTIONS = {
  name: { alias: 'n', type: 'string', describe: 'Name tag, usable wherever an id is' },
  tag: { type: 'string', array: true, nargs: 1, describe: 'KEY=VALUE; repeatable' },
} as const;

export interface TagWords {
  readonly name?: string | undefined;
  readonly tag?: readonly string[] | undefined;
}

/** What those options say, for a request that makes one resource of this type. */
export function tagSpecifications(type: ResourceType, { name, tag = [] }: TagWords): TagSpecification[] {
  const tags = [...(name === undefined ? [] : [{ Key: 'Name', Value: name }]), ...parseTags(tag)];
  return tags.length === 0 ? [] : [{ ResourceType: type, Tags: tags }];
}

/** The Name tag of what is listed. */
export function nameOf(tags: readonly Tag[] = []): string {
  return tags.find(({ Key }) => Key === 'Name')?.Value ?? '';
}

/** `i-…  web`: what was made or changed, as one line says it. */
export function withName(id: string | undefined, name: string | undefined): string {
  return name === undefined || name === '' ? (id ?? '') : `${id ?? ''}  ${name}`;
}
