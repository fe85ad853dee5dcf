import type { CreateDefaultVpcRequest, CreateDefaultVpcResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { defaultBlock, findDefaultVpc, recordDefaultVpc } from './default-vpc.ts';
import { ec2Vpc } from './ec2-vpc.ts';

/** EC2's CreateDefaultVpc, after the default VPC was deleted. Throws `DefaultVpcAlreadyExists`. */
export async function createDefaultVpc(
  ctx: Ec2Context,
  request: CreateDefaultVpcRequest,
): Promise<CreateDefaultVpcResult> {
  const cidrBlock = await defaultBlock();
  const vpc = transact(ctx.db, () => {
    if (findDefaultVpc(ctx.db) !== undefined)
      throw new Ec2Error(
        'DefaultVpcAlreadyExists',
        'A Default VPC already exists for this account in this region.',
        { hint: 'bonami vpc ls' },
      );
    const made = recordDefaultVpc(ctx, cidrBlock);
    endDryRun(request);
    return made;
  });
  return { Vpc: ec2Vpc(ctx, vpc) };
}
