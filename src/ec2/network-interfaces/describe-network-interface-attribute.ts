import type {
  DescribeNetworkInterfaceAttributeRequest,
  DescribeNetworkInterfaceAttributeResult,
} from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Ec2Context } from '../context.ts';
import { recordOf } from '../resource-kinds.ts';
import { ec2NetworkInterface } from './ec2-network-interface.ts';

/** EC2's DescribeNetworkInterfaceAttribute: one of `description`, `groupSet`, `sourceDestCheck` and `attachment`. */
export function describeNetworkInterfaceAttribute(
  ctx: Ec2Context,
  { NetworkInterfaceId = '', Attribute }: Partial<DescribeNetworkInterfaceAttributeRequest>,
): DescribeNetworkInterfaceAttributeResult {
  const shown = ec2NetworkInterface(ctx, recordOf(ctx.db, 'networkInterface', NetworkInterfaceId));
  const attributes: Readonly<Record<string, () => DescribeNetworkInterfaceAttributeResult>> = {
    attachment: () => (shown.Attachment === undefined ? {} : { Attachment: shown.Attachment }),
    description: () => ({ Description: { Value: shown.Description } }),
    groupSet: () => ({ Groups: shown.Groups }),
    sourceDestCheck: () => ({ SourceDestCheck: { Value: shown.SourceDestCheck } }),
  };
  const name = Attribute ?? '';
  const read = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  if (read === undefined)
    throw new Ec2Error('InvalidParameterValue', `Value (${name}) for parameter attribute is invalid.`, {
      hint: Object.keys(attributes).join(', '),
    });
  return { NetworkInterfaceId, ...read() };
}
