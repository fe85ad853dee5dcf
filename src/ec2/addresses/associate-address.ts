import type { AssociateAddressRequest, AssociateAddressResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId, type VpcId } from '../../core/ids.ts';
import { blockContains } from '../../core/ip.ts';
import { addresses, type Address } from '../../store/addresses.ts';
import { transact, type Db } from '../../store/database.ts';
import { internetGateways } from '../../store/gateways.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import { vpcs } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { getInstance } from '../instances/resolve-instance.ts';
import { userInterface } from '../network-interfaces/user-interface.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { addressOfRequest } from './address-of-request.ts';
import { addressesOfInterface } from './associations.ts';

/**
 * EC2's AssociateAddress: with an instance's only interface, or with an interface; with its primary private address
 * unless another one is named. It leaves where it was, and whatever was there before leaves, unless
 * `AllowReassociation` is false. Doing it again changes nothing. Throws `Gateway.NotAttached`.
 */
export async function associateAddress(
  ctx: Ec2Context,
  request: AssociateAddressRequest,
): Promise<AssociateAddressResult> {
  const { associationId, changed } = transact(ctx.db, () => {
    const made = associate(ctx.db, request);
    endDryRun(request);
    return made;
  });
  for (const vpcId of changed) await applyVpcNetwork(ctx, vpcId);
  return { AssociationId: associationId };
}

interface Made {
  readonly associationId: string;
  /** The VPC that it left comes first: the host has one route to an address. */
  readonly changed: ReadonlySet<VpcId>;
}

function associate(db: Db, request: AssociateAddressRequest): Made {
  const address = addressOfRequest(db, request);
  const target = targetOf(db, request);
  const privateIpAddress = privateAddress(target, request.PrivateIpAddress);
  requireGateway(db, target, address);
  const { association } = address;
  const former = association && networkInterfaces.get(db, association.networkInterfaceId);
  if (
    association?.networkInterfaceId === target.networkInterfaceId &&
    association.privateIpAddress === privateIpAddress
  )
    return { associationId: association.associationId, changed: new Set() };
  if (association) refuseReassociation(address, { request, former });
  displace(db, { target, privateIpAddress, request });
  const associationId = newId('addressAssociation');
  addresses.update(db, {
    ...address,
    association: { associationId, networkInterfaceId: target.networkInterfaceId, privateIpAddress },
  });
  return { associationId, changed: new Set([...(former ? [former.vpcId] : []), target.vpcId]) };
}

function targetOf(db: Db, { InstanceId, NetworkInterfaceId }: AssociateAddressRequest): NetworkInterface {
  if (InstanceId !== undefined && NetworkInterfaceId !== undefined)
    throw new Ec2Error(
      'InvalidParameterCombination',
      'You may specify an instance ID or a network interface ID, but not both in the same call',
    );
  if (NetworkInterfaceId !== undefined) return userInterface(db, NetworkInterfaceId);
  if (InstanceId === undefined)
    throw new Ec2Error(
      'MissingParameter',
      'Either an instance ID or a network interface ID must be specified',
    );
  const { state } = getInstance(db, InstanceId);
  if (state !== 'running' && state !== 'stopped')
    throw new Ec2Error(
      'InvalidInstanceID',
      `The ${state} instance '${InstanceId}' is not in a valid state for this operation.`,
      { hint: `bonami wait ${InstanceId} --for running` },
    );
  const [only, ...others] = networkInterfaces.listBy(db, 'instance_id', InstanceId);
  if (only === undefined || others.length > 0)
    throw new Ec2Error(
      'InvalidInstanceID',
      only === undefined
        ? `The instance '${InstanceId}' has no network interface.`
        : `There are multiple interfaces attached to instance '${InstanceId}'. Please specify an interface ID for the operation instead.`,
      { hint: 'bonami eni ls' },
    );
  return only;
}

function privateAddress(
  { networkInterfaceId, privateIpAddress, secondaryPrivateIpAddresses }: NetworkInterface,
  wanted = privateIpAddress,
): string {
  if (![privateIpAddress, ...secondaryPrivateIpAddresses].includes(wanted))
    throw new Ec2Error(
      'InvalidParameterValue',
      `The private IP address ${wanted} is not assigned to the network interface ${networkInterfaceId}`,
      { hint: `bonami eni show ${networkInterfaceId}` },
    );
  return wanted;
}

function requireGateway(db: Db, { vpcId }: NetworkInterface, { publicIp }: Address): void {
  if (internetGateways.listBy(db, 'vpc_id', vpcId).length === 0)
    throw new Ec2Error('Gateway.NotAttached', `Network ${vpcId} is not attached to any internet gateway`, {
      hint: `bonami igw create --vpc ${vpcId}`,
    });
  const block = vpcs.get(db, vpcId)?.cidrBlock;
  if (block !== undefined && blockContains(block, publicIp))
    throw new Ec2Error(
      'InvalidParameterValue',
      `'${publicIp}' is a private address of '${vpcId}' itself (${block})`,
      { hint: 'an address outside of the VPC' },
    );
}

interface Reassociation {
  readonly request: AssociateAddressRequest;
  readonly former: NetworkInterface | null | undefined;
}

function refuseReassociation(
  { allocationId, association }: Address,
  { request, former }: Reassociation,
): void {
  if (former?.interfaceType === 'nat_gateway')
    throw new Ec2Error(
      'AuthFailure',
      `You do not have permission to access the specified resource: a NAT gateway has '${allocationId}'.`,
      { hint: 'bonami nat ls' },
    );
  if (request.AllowReassociation === false)
    throw new Ec2Error(
      'Resource.AlreadyAssociated',
      `resource ${allocationId} is already associated with associate-id ${association?.associationId ?? ''}`,
      { hint: `bonami eip disassociate ${allocationId}` },
    );
}

interface Place {
  readonly target: NetworkInterface;
  readonly privateIpAddress: string;
  readonly request: AssociateAddressRequest;
}

/** Another elastic address of the same private one makes room; it stays allocated. */
function displace(db: Db, { target, privateIpAddress, request }: Place): void {
  const present = addressesOfInterface(db, target.networkInterfaceId).find(
    ({ association }) => association?.privateIpAddress === privateIpAddress,
  );
  if (present === undefined) return;
  if (request.AllowReassociation === false)
    throw new Ec2Error(
      'Resource.AlreadyAssociated',
      `resource ${target.networkInterfaceId} is already associated with associate-id ${present.association?.associationId ?? ''}`,
      { hint: `bonami eip disassociate ${present.publicIp}` },
    );
  addresses.update(db, { ...present, association: null });
}
