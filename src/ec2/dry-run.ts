import { Ec2Error } from '../core/errors.ts';

/**
 * Ends a request that only asks whether it would succeed. Called last inside a transaction, which it rolls back: by
 * then everything has been checked.
 */
export function endDryRun({ DryRun }: { readonly DryRun?: boolean | undefined }): void {
  if (DryRun === true)
    throw new Ec2Error('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.');
}
