import type { CreateSecurityGroupRequest, CreateSecurityGroupResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { securityGroups } from '../../store/security-groups.ts';
import { putTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { ec2Tags, specifiedTags } from '../tags/ec2-tags.ts';
import { requireDefaultVpc } from '../vpcs/default-vpc.ts';
import { everythingOut } from '../vpcs/record-vpc.ts';

/** AWS: CreateSecurityGroup: up to 255 of these characters. */
const TEXT = /^[\w .:/()#,@[\]+=&;{}!$*-]{1,255}$/;

/**
 * EC2's CreateSecurityGroup: nothing in, everything out; in the default VPC when none is named. Throws
 * `InvalidGroup.Duplicate`, or `VPCIdNotSpecified` when none is named and there is no default one.
 */
export async function createSecurityGroup(
  ctx: Ec2Context,
  request: Partial<CreateSecurityGroupRequest>,
): Promise<CreateSecurityGroupResult> {
  const { GroupName: groupName = '', Description: description = '' } = request;
  checkTexts(groupName, description);
  const tags = specifiedTags(request.TagSpecifications, 'security-group');
  const wantedVpcId = request.VpcId ?? (await requireDefaultVpc(ctx)).vpcId;
  const groupId = newId('securityGroup');
  transact(ctx.db, () => {
    const vpc = recordOf(ctx.db, 'vpc', wantedVpcId);
    securityGroups.insert(ctx.db, {
      groupId,
      groupName,
      description,
      vpcId: vpc.vpcId,
      rules: everythingOut(vpc),
    });
    putTags(ctx.db, groupId, tags);
    endDryRun(request);
  });
  return {
    GroupId: groupId,
    Tags: ec2Tags(ctx.db, groupId),
    SecurityGroupArn: `arn:aws:ec2:${ctx.region}:${ctx.ownerId}:security-group/${groupId}`,
  };
}

function checkTexts(groupName: string, description: string): void {
  if (groupName === '')
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter GroupName');
  if (groupName === 'default')
    throw new Ec2Error('InvalidParameterValue', 'Cannot use reserved security group name: default', {
      hint: 'another name',
    });
  if (groupName.startsWith('sg-'))
    throw new Ec2Error(
      'InvalidParameterValue',
      `Value (${groupName}) for parameter GroupName is invalid. Group names may not be in the format sg-*.`,
    );
  if (!TEXT.test(groupName) || groupName.trim() !== groupName)
    throw new Ec2Error('InvalidParameterValue', `'${groupName}' is not a valid security group name`);
  if (description === '')
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter GroupDescription');
  if (!TEXT.test(description))
    throw new Ec2Error(
      'InvalidParameterValue',
      `Value (${description}) for parameter GroupDescription is invalid: up to 255 letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*`,
    );
}
