import { Ec2Error } from '../../core/errors.ts';

/** An interface's description. Throws `InvalidParameterValue`. */
export function checkedDescription(text: string): string {
  if (text.length > 255 || /\p{Cc}/u.test(text))
    throw new Ec2Error('InvalidParameterValue', `${JSON.stringify(text)} is not a valid description`, {
      hint: 'up to 255 characters, no control characters',
    });
  return text;
}
