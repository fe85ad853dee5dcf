import type { DeleteVpcRequest } from '@aws-sdk/client-ec2';
import { transact, type Db } from '../../store/database.ts';
import { internetGateways, natGateways, peeringsOf } from '../../store/gateways.ts';
import { networkAcls } from '../../store/network-acls.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import { routeTables } from '../../store/route-tables.ts';
import { securityGroups } from '../../store/security-groups.ts';
import { removeTags } from '../../store/tags.ts';
import { subnets, vpcs, type Vpc } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { dependencyViolation } from '../dependency-violation.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';

/**
 * EC2's DeleteVpc: the VPC with its default security group, default network ACL and main route table. Throws
 * `DependencyViolation` while anything else is left in it.
 */
export async function deleteVpc(
  { db }: Ec2Context,
  { VpcId: wanted = '', DryRun }: DeleteVpcRequest,
): Promise<Record<string, never>> {
  transact(db, () => {
    const vpc = recordOf(db, 'vpc', wanted);
    const { vpcId } = vpc;
    const [first, ...others] = dependentsOf(db, vpc);
    if (first !== undefined)
      throw dependencyViolation(
        'vpc',
        vpcId,
        [first, ...others].map(({ id }) => id),
        `bonami ${first.remove} ${first.id}`,
      );
    for (const { groupId } of securityGroups.listBy(db, 'vpc_id', vpcId)) forget(db, securityGroups, groupId);
    for (const { networkAclId } of networkAcls.listBy(db, 'vpc_id', vpcId))
      forget(db, networkAcls, networkAclId);
    forget(db, routeTables, vpc.mainRouteTable.routeTableId);
    forget(db, vpcs, vpcId);
    endDryRun({ DryRun });
  });
  return {};
}

interface Dependent {
  readonly id: string;
  /** The words that remove it. */
  readonly remove: string;
}

/** What must go before the VPC can, in the order in which it can go. */
function dependentsOf(db: Db, { vpcId, mainRouteTable }: Vpc): readonly Dependent[] {
  const of = (remove: string, ids: readonly string[]): readonly Dependent[] =>
    ids.map((id) => ({ id, remove }));
  const nats = natGateways.listBy(db, 'vpc_id', vpcId);
  const natInterfaces = new Set<string>(nats.map(({ networkInterfaceId }) => networkInterfaceId));
  const interfaces = networkInterfaces
    .listBy(db, 'vpc_id', vpcId)
    .filter(({ networkInterfaceId }) => !natInterfaces.has(networkInterfaceId));
  return [
    ...interfaces.map(({ attachment, networkInterfaceId }) =>
      attachment === null
        ? { id: networkInterfaceId, remove: 'eni rm' }
        : { id: attachment.instanceId, remove: 'terminate' },
    ),
    ...of(
      'nat rm',
      nats.map(({ natGatewayId }) => natGatewayId),
    ),
    ...of(
      'subnet rm',
      subnets.listBy(db, 'vpc_id', vpcId).map(({ subnetId }) => subnetId),
    ),
    ...of(
      'igw detach',
      internetGateways.listBy(db, 'vpc_id', vpcId).map(({ internetGatewayId }) => internetGatewayId),
    ),
    ...of(
      'peering rm',
      peeringsOf(db, vpcId).map(({ vpcPeeringConnectionId }) => vpcPeeringConnectionId),
    ),
    ...of(
      'sg rm',
      securityGroups
        .listBy(db, 'vpc_id', vpcId)
        .filter(({ groupName }) => groupName !== 'default')
        .map(({ groupId }) => groupId),
    ),
    ...of(
      'route rm',
      routeTables
        .listBy(db, 'vpc_id', vpcId)
        .map(({ routeTableId }) => routeTableId)
        .filter((id) => id !== mainRouteTable.routeTableId),
    ),
    ...of(
      'acl rm',
      networkAcls
        .listBy(db, 'vpc_id', vpcId)
        .filter(({ isDefault }) => !isDefault)
        .map(({ networkAclId }) => networkAclId),
    ),
  ];
}

function forget(db: Db, table: { remove(db: Db, id: string): void }, id: string): void {
  removeTags(db, id);
  table.remove(db, id);
}
