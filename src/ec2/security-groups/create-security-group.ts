import type { CreateSecurityGroupRequest, CreateSecurityGroupResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { isId, newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { securityGroups, vpcs } from '../../store/network.ts';
import type { Ec2Context } from '../context.ts';
import { ensureDefaultVpc, everythingOut } from '../vpcs/default-vpc.ts';

/** AWS: "Create a security group": up to 255 of these characters; the name must not look like an id. */
const NAME = /^(?!sg-)[\w .:/()#,@[\]+=&;{}!$*-]{1,255}$/;

/** EC2's CreateSecurityGroup: nothing in, everything out. Throws `InvalidGroup.Duplicate`. */
export async function createSecurityGroup(
  ctx: Ec2Context,
  { GroupName = '', Description = '', VpcId }: CreateSecurityGroupRequest,
): Promise<CreateSecurityGroupResult> {
  if (!NAME.test(GroupName) || GroupName === 'default')
    throw new Ec2Error('InvalidParameterValue', `'${GroupName}' is not a valid security group name`);
  const vpcId = VpcId ?? (await ensureDefaultVpc(ctx)).vpc.vpcId;
  if (!isId('vpc', vpcId) || vpcs.get(ctx.db, vpcId) === undefined)
    throw new Ec2Error('InvalidVpcID.NotFound', `The vpc ID '${vpcId}' does not exist`, {
      hint: 'bonami vpc ls',
    });
  const groupId = newId('securityGroup');
  transact(ctx.db, () =>
    securityGroups.insert(ctx.db, {
      groupId,
      groupName: GroupName,
      description: Description,
      vpcId,
      ipPermissions: [],
      ipPermissionsEgress: [everythingOut()],
    }),
  );
  return { GroupId: groupId };
}
