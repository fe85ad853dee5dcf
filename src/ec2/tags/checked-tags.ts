import type { Tag } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';

/** AWS: "Tag restrictions": 1 to 128 characters, no `aws:` prefix. Control characters cannot be carried by XML. */
function checkedKey(key: string): string {
  if (key.length < 1 || key.length > 128 || /^aws:/i.test(key) || /\p{Cc}/u.test(key))
    throw new Ec2Error('InvalidParameterValue', `'${key}' is not a valid tag key`, {
      hint: '1 to 128 characters, not starting with aws:',
    });
  return key;
}

/** AWS: "Tag restrictions": up to 256 characters. */
function checkedValue(value: string): string {
  if (value.length > 256 || /\p{Cc}/u.test(value))
    throw new Ec2Error('InvalidParameterValue', `${JSON.stringify(value)} is not a valid tag value`, {
      hint: 'up to 256 characters, no control characters',
    });
  return value;
}

/** A request's tags as records keep them. Throws `InvalidParameterValue` for a key or a value that breaks a rule. */
export function checkedTags(tags: readonly Tag[]): Readonly<Record<string, string>> {
  return Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [checkedKey(Key), checkedValue(Value)]));
}
