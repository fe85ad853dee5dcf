// What people mean where a VPC may stand for a part of it that it has once.
import type { CreateRouteRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../core/errors.ts';
import { ID_PREFIXES, type NetworkAclId, type RouteTableId, type SubnetId, type VpcId } from '../core/ids.ts';
import type { Db } from '../store/database.ts';
import { instances } from '../store/instances.ts';
import { networkAcls } from '../store/network-acls.ts';
import { resourcesWithTag } from '../store/tags.ts';
import type { Ec2Context } from './context.ts';
import { resolveInstance } from './instances/resolve-instance.ts';
import { recordOf } from './resource-kinds.ts';
import { findId, resolveId } from './resolve-resource.ts';
import { ensureDefaultVpc } from './vpcs/default-vpc.ts';

/** A VPC; `default` is there even before its first use. */
export async function resolveVpc(ctx: Ec2Context, reference: string): Promise<VpcId> {
  await ensureDefaultVpc(ctx);
  return resolveId(ctx.db, 'vpc', reference);
}

/** A route table, or a VPC's main one. */
export async function resolveRouteTable(ctx: Ec2Context, reference: string): Promise<RouteTableId> {
  await ensureDefaultVpc(ctx);
  const vpcId =
    findId(ctx.db, 'routeTable', reference) === undefined ? findId(ctx.db, 'vpc', reference) : undefined;
  if (vpcId === undefined) return resolveId(ctx.db, 'routeTable', reference);
  return recordOf(ctx.db, 'vpc', vpcId).mainRouteTable.routeTableId;
}

/** A network ACL, or a VPC's default one. */
export async function resolveNetworkAcl(ctx: Ec2Context, reference: string): Promise<NetworkAclId> {
  await ensureDefaultVpc(ctx);
  const vpcId =
    findId(ctx.db, 'networkAcl', reference) === undefined ? findId(ctx.db, 'vpc', reference) : undefined;
  const [acl] = vpcId === undefined ? [] : networkAcls.listBy(ctx.db, 'default_of', vpcId);
  return acl?.networkAclId ?? resolveId(ctx.db, 'networkAcl', reference);
}

/** A subnet, or a VPC for all of its subnets that have no route table of their own. */
export async function resolveSubnetOrVpc(
  ctx: Ec2Context,
  reference: string,
): Promise<{ readonly subnetId: SubnetId } | { readonly vpcId: VpcId }> {
  await ensureDefaultVpc(ctx);
  const subnetId = findId(ctx.db, 'subnet', reference);
  const vpcId = subnetId === undefined ? findId(ctx.db, 'vpc', reference) : undefined;
  return vpcId === undefined ? { subnetId: subnetId ?? resolveId(ctx.db, 'subnet', reference) } : { vpcId };
}

export type RouteTargetRequest = Pick<
  CreateRouteRequest,
  'GatewayId' | 'NatGatewayId' | 'NetworkInterfaceId' | 'InstanceId' | 'VpcPeeringConnectionId'
>;

/** What a route may lead to. Throws `InvalidParameterValue` for what is nothing or several things. */
export function resolveRouteTarget(db: Db, reference: string): RouteTargetRequest {
  const targets: RouteTargetRequest[] = [];
  const gateway = findId(db, 'internetGateway', reference);
  if (gateway !== undefined) targets.push({ GatewayId: gateway });
  const nat = findId(db, 'natGateway', reference);
  if (nat !== undefined) targets.push({ NatGatewayId: nat });
  const networkInterface = findId(db, 'networkInterface', reference);
  if (networkInterface !== undefined) targets.push({ NetworkInterfaceId: networkInterface });
  const peering = findId(db, 'vpcPeeringConnection', reference);
  if (peering !== undefined) targets.push({ VpcPeeringConnectionId: peering });
  if (meansInstance(db, reference)) targets.push({ InstanceId: resolveInstance(db, reference).instanceId });
  const [first, ...others] = targets;
  if (first === undefined)
    throw new Ec2Error(
      'InvalidParameterValue',
      `There is no route target with the id or name '${reference}'`,
      {
        hint: 'bonami igw ls, nat ls, peering ls, eni ls or ls',
      },
    );
  if (others.length > 0)
    throw new Ec2Error(
      'InvalidParameterValue',
      `'${reference}' could be ${targets.flatMap((each) => Object.values(each)).join(' or ')}`,
      { hint: 'name one of them by its id' },
    );
  return first;
}

function meansInstance(db: Db, reference: string): boolean {
  return (
    reference.startsWith(`${ID_PREFIXES.instance}-`) ||
    resourcesWithTag(db, 'Name', reference).some(
      (id) => (instances.get(db, id)?.state ?? 'terminated') !== 'terminated',
    )
  );
}
