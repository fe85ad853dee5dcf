import type { CreateDefaultVpcRequest, CreateDefaultVpcResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Ec2Context } from '../context.ts';
import { ensureDefaultVpc, findDefaultVpc } from './default-vpc.ts';
import { ec2Vpc } from './ec2-vpc.ts';

/** EC2's CreateDefaultVpc, after the default VPC was deleted. Throws `DefaultVpcAlreadyExists`. */
export async function createDefaultVpc(
  ctx: Ec2Context,
  _request: CreateDefaultVpcRequest,
): Promise<CreateDefaultVpcResult> {
  if (findDefaultVpc(ctx.db) !== undefined)
    throw new Ec2Error(
      'DefaultVpcAlreadyExists',
      'A Default VPC already exists for this account in this region.',
      { hint: 'bonami vpc ls' },
    );
  return { Vpc: ec2Vpc(ctx, (await ensureDefaultVpc(ctx)).vpc) };
}
