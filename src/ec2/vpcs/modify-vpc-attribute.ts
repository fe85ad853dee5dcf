import type { ModifyVpcAttributeRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { vpcs } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from './network.ts';

/**
 * EC2's ModifyVpcAttribute: one attribute a request. Host names need DNS (AWS: ModifyVpcAttribute). Throws
 * `InvalidParameterCombination`.
 */
export async function modifyVpcAttribute(
  ctx: Ec2Context,
  request: ModifyVpcAttributeRequest,
): Promise<Record<string, never>> {
  const { VpcId = '', EnableDnsSupport, EnableDnsHostnames, EnableNetworkAddressUsageMetrics } = request;
  const given = Object.entries({ EnableDnsSupport, EnableDnsHostnames, EnableNetworkAddressUsageMetrics })
    .filter(([, attribute]) => attribute?.Value !== undefined)
    .map(([name]) => name);
  if (given.length !== 1)
    throw new Ec2Error(
      'InvalidParameterCombination',
      given.length === 0
        ? 'No attributes specified.'
        : `Fields for multiple attribute types specified: ${given.join(', ')}`,
      { hint: 'one attribute a request' },
    );
  if (EnableNetworkAddressUsageMetrics?.Value === true)
    throw new Ec2Error('UnsupportedOperation', 'Network address usage metrics are not supported');
  const { vpcId } = transact(ctx.db, () => {
    const vpc = recordOf(ctx.db, 'vpc', VpcId);
    const changed = {
      ...vpc,
      enableDnsSupport: EnableDnsSupport?.Value ?? vpc.enableDnsSupport,
      enableDnsHostnames: EnableDnsHostnames?.Value ?? vpc.enableDnsHostnames,
    };
    if (EnableDnsHostnames?.Value === true && !changed.enableDnsSupport)
      throw new Ec2Error(
        'InvalidParameterCombination',
        `DNS host names of the vpc '${vpc.vpcId}' need its DNS support`,
        { hint: `bonami vpc set ${vpc.vpcId} --dns on` },
      );
    vpcs.update(ctx.db, changed);
    return changed;
  });
  await applyVpcNetwork(ctx, vpcId);
  return {};
}
