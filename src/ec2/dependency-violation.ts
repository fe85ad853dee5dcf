import { Ec2Error } from '../core/errors.ts';

/** EC2's refusal to delete what others need; ours names them. */
export function dependencyViolation(
  noun: string,
  id: string,
  dependents: readonly string[],
  hint?: string,
): Ec2Error {
  return new Ec2Error(
    'DependencyViolation',
    `The ${noun} '${id}' has dependencies and cannot be deleted: ${dependents.join(', ')}`,
    hint === undefined ? {} : { hint },
  );
}
