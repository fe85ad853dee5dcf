import type { DescribeVpcAttributeRequest, DescribeVpcAttributeResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Ec2Context } from '../context.ts';
import { recordOf } from '../resource-kinds.ts';

/** EC2's DescribeVpcAttribute. Throws `InvalidParameterValue` for an attribute that there is not. */
export function describeVpcAttribute(
  { db }: Ec2Context,
  { VpcId: wanted = '', Attribute }: DescribeVpcAttributeRequest,
): DescribeVpcAttributeResult {
  const { vpcId: VpcId, enableDnsSupport, enableDnsHostnames } = recordOf(db, 'vpc', wanted);
  switch (Attribute) {
    case 'enableDnsSupport':
      return { VpcId, EnableDnsSupport: { Value: enableDnsSupport } };
    case 'enableDnsHostnames':
      return { VpcId, EnableDnsHostnames: { Value: enableDnsHostnames } };
    case 'enableNetworkAddressUsageMetrics':
      return { VpcId, EnableNetworkAddressUsageMetrics: { Value: false } };
    case undefined:
      throw new Ec2Error('MissingParameter', 'The request must contain the parameter attribute');
    default:
      throw new Ec2Error(
        'InvalidParameterValue',
        `Value (${String(Attribute)}) for parameter attribute is invalid. Unknown attribute.`,
        { hint: 'enableDnsSupport, enableDnsHostnames or enableNetworkAddressUsageMetrics' },
      );
  }
}
