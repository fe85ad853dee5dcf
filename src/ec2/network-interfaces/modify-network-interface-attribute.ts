import type { ModifyNetworkInterfaceAttributeRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import type { Db } from '../../store/database.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { resolveSecurityGroups } from '../security-groups/resolve-security-groups.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { checkedDescription } from './checked-description.ts';
import { userInterface } from './user-interface.ts';

type Request = Partial<ModifyNetworkInterfaceAttributeRequest>;

/**
 * EC2's ModifyNetworkInterfaceAttribute: one of Groups, SourceDestCheck, Description and Attachment at a time. In
 * force when it resolves.
 */
export async function modifyNetworkInterfaceAttribute(
  ctx: Ec2Context,
  request: Request,
): Promise<Record<string, never>> {
  requireOne(request);
  const { vpcId } = transact(ctx.db, () => {
    const present = userInterface(ctx.db, request.NetworkInterfaceId ?? '');
    networkInterfaces.update(ctx.db, changedInterface(ctx.db, present, request));
    endDryRun(request);
    return present;
  });
  await applyVpcNetwork(ctx, vpcId);
  return {};
}

function requireOne({ Groups, SourceDestCheck, Description, Attachment }: Request): void {
  const given = Object.entries({ Groups, SourceDestCheck, Description, Attachment }).filter(
    ([, value]) => value !== undefined,
  );
  if (given.length === 0)
    throw new Ec2Error('MissingParameter', 'The request must contain an attribute to change', {
      hint: 'Groups, SourceDestCheck, Description or Attachment',
    });
  if (given.length > 1)
    throw new Ec2Error(
      'InvalidParameterCombination',
      `Fields for multiple attribute types specified: ${given.map(([name]) => name).join(', ')}`,
      { hint: 'one request for each' },
    );
}

function changedInterface(db: Db, present: NetworkInterface, request: Request): NetworkInterface {
  if (request.Groups !== undefined) {
    if (request.Groups.length === 0)
      throw new Ec2Error('InvalidParameterValue', 'An interface needs at least one security group', {
        hint: 'bonami sg ls',
      });
    const groups = resolveSecurityGroups(db, present.vpcId, request.Groups);
    return { ...present, securityGroupIds: groups.map(({ groupId }) => groupId) };
  }
  if (request.SourceDestCheck !== undefined)
    return { ...present, sourceDestCheck: request.SourceDestCheck.Value ?? true };
  if (request.Description !== undefined)
    return { ...present, description: checkedDescription(request.Description.Value ?? '') };
  return { ...present, attachment: changedAttachment(present, request.Attachment ?? {}) };
}

function changedAttachment(
  { networkInterfaceId, attachment }: NetworkInterface,
  { AttachmentId = '', DeleteOnTermination }: NonNullable<Request['Attachment']>,
): NetworkInterface['attachment'] {
  if (attachment === null || attachment.attachmentId !== AttachmentId)
    throw new Ec2Error(
      'InvalidAttachmentID.NotFound',
      `The attachment ID '${AttachmentId}' does not exist for '${networkInterfaceId}'`,
      { hint: `bonami eni show ${networkInterfaceId}` },
    );
  return DeleteOnTermination === undefined
    ? attachment
    : { ...attachment, deleteOnTermination: DeleteOnTermination };
}
