import type { ModifyInstanceAttributeRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Ec2Context } from '../context.ts';
import { modifyNetworkInterfaceAttribute } from '../network-interfaces/modify-network-interface-attribute.ts';
import { interfacesOf } from './ec2-instance.ts';
import { getInstance } from './resolve-instance.ts';

/**
 * EC2's ModifyInstanceAttribute, of SourceDestCheck or Groups, which are those of the instance's only interface.
 * In force when it resolves. Throws `InvalidInstanceID` for an instance that has several, as EC2 does.
 */
export async function modifyInstanceAttribute(
  ctx: Ec2Context,
  { InstanceId = '', SourceDestCheck, Groups, DryRun, ...rest }: Partial<ModifyInstanceAttributeRequest>,
): Promise<Record<string, never>> {
  const other = Object.entries(rest).find(([, value]) => value !== undefined)?.[0];
  if (other !== undefined)
    throw new Ec2Error('UnsupportedOperation', `The attribute ${other} of an instance cannot be changed`, {
      hint: 'SourceDestCheck or Groups',
    });
  const instance = getInstance(ctx.db, InstanceId);
  const [only, ...others] = interfacesOf(ctx.db, instance);
  if (only === undefined)
    throw new Ec2Error(
      'IncorrectInstanceState',
      `The instance '${InstanceId}' is ${instance.state} and has no network interface`,
      { hint: 'bonami ls' },
    );
  if (others.length > 0)
    throw new Ec2Error(
      'InvalidInstanceID',
      `There are multiple interfaces attached to instance '${InstanceId}'. Please specify an interface ID for the operation instead.`,
      { hint: `bonami eni set ${only.networkInterfaceId}` },
    );
  return modifyNetworkInterfaceAttribute(ctx, {
    NetworkInterfaceId: only.networkInterfaceId,
    SourceDestCheck,
    Groups,
    DryRun,
  });
}
