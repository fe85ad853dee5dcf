import type { DeleteInternetGatewayRequest } from '@aws-sdk/client-ec2';
import { transact } from '../../store/database.ts';
import { internetGateways } from '../../store/gateways.ts';
import { removeTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { dependencyViolation } from '../dependency-violation.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';

/** EC2's DeleteInternetGateway. Throws `DependencyViolation` while it is attached. */
export function deleteInternetGateway(
  { db }: Ec2Context,
  { InternetGatewayId: wanted = '', DryRun }: DeleteInternetGatewayRequest,
): Record<string, never> {
  transact(db, () => {
    const { internetGatewayId, vpcId } = recordOf(db, 'internetGateway', wanted);
    if (vpcId !== null)
      throw dependencyViolation(
        'internetGateway',
        internetGatewayId,
        [vpcId],
        `bonami igw detach ${internetGatewayId}`,
      );
    removeTags(db, internetGatewayId);
    internetGateways.remove(db, internetGatewayId);
    endDryRun({ DryRun });
  });
  return {};
}
