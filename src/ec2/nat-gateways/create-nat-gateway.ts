import type { CreateNatGatewayRequest, CreateNatGatewayResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { macOf } from '../../core/link-name.ts';
import { addresses } from '../../store/addresses.ts';
import { transact, type Db } from '../../store/database.ts';
import { internetGateways, natGateways, type NatGateway } from '../../store/gateways.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import { putTags } from '../../store/tags.ts';
import type { Subnet } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { allocatePrivateAddress } from '../network-interfaces/allocate-private-address.ts';
import { recordOf } from '../resource-kinds.ts';
import { specifiedTags } from '../tags/ec2-tags.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { ec2NatGateway } from './ec2-nat-gateway.ts';

/**
 * EC2's CreateNatGateway: an interface of its own in the subnet, with an elastic address that traffic leaves with.
 * The same `ClientToken` gives the same gateway. Throws `Gateway.NotAttached` for a VPC without an internet gateway,
 * `Resource.AlreadyAssociated` for an address in use.
 */
export async function createNatGateway(
  ctx: Ec2Context,
  request: CreateNatGatewayRequest,
): Promise<CreateNatGatewayResult> {
  const { ClientToken = null } = request;
  refuseUnsupported(request);
  const tags = specifiedTags(request.TagSpecifications, 'natgateway');
  const gateway = transact(ctx.db, () => {
    const before =
      ClientToken === null ? undefined : natGateways.listBy(ctx.db, 'client_token', ClientToken)[0];
    if (before !== undefined) return sameRequest(ctx.db, before, request);
    const made = recordNatGateway(ctx, request);
    putTags(ctx.db, made.natGatewayId, tags);
    endDryRun(request);
    return made;
  });
  await applyVpcNetwork(ctx, gateway.vpcId);
  return {
    NatGateway: ec2NatGateway(ctx, gateway),
    ...(ClientToken === null ? {} : { ClientToken }),
  };
}

function recordNatGateway(ctx: Ec2Context, request: CreateNatGatewayRequest): NatGateway {
  const subnet = recordOf(ctx.db, 'subnet', request.SubnetId ?? '');
  const address = recordOf(ctx.db, 'address', request.AllocationId ?? '');
  const { vpcId, subnetId } = subnet;
  if (address.association !== null)
    throw new Ec2Error(
      'Resource.AlreadyAssociated',
      `Elastic IP address ${address.allocationId} is already associated`,
      { hint: `bonami eip disassociate ${address.publicIp}, or bonami eip allocate` },
    );
  if (internetGateways.listBy(ctx.db, 'vpc_id', vpcId).length === 0)
    throw new Ec2Error('Gateway.NotAttached', `Network ${vpcId} has no Internet gateway attached`, {
      hint: `bonami igw create --vpc ${vpcId}`,
    });
  const natGatewayId = newId('natGateway');
  const each = ownInterface(ctx.db, natGatewayId, subnet, request.PrivateIpAddress);
  const { networkInterfaceId, privateIpAddress } = each;
  networkInterfaces.insert(ctx.db, each);
  addresses.update(ctx.db, {
    ...address,
    association: { associationId: newId('addressAssociation'), networkInterfaceId, privateIpAddress },
  });
  const gateway: NatGateway = {
    natGatewayId,
    vpcId,
    subnetId,
    networkInterfaceId,
    allocationId: address.allocationId,
    createTime: ctx.now().toISOString(),
    clientToken: request.ClientToken ?? null,
  };
  natGateways.insert(ctx.db, gateway);
  return gateway;
}

function ownInterface(
  db: Db,
  natGatewayId: string,
  subnet: Subnet,
  wanted: string | undefined,
): NetworkInterface {
  const networkInterfaceId = newId('networkInterface');
  return {
    networkInterfaceId,
    vpcId: subnet.vpcId,
    subnetId: subnet.subnetId,
    interfaceType: 'nat_gateway',
    description: `Interface for NAT Gateway ${natGatewayId}`,
    privateIpAddress: allocatePrivateAddress(db, subnet, wanted),
    secondaryPrivateIpAddresses: [],
    ipv6Addresses: [],
    macAddress: macOf(networkInterfaceId),
    securityGroupIds: [],
    sourceDestCheck: false,
    attachment: null,
  };
}

function sameRequest(db: Db, before: NatGateway, request: CreateNatGatewayRequest): NatGateway {
  const address = networkInterfaces.get(db, before.networkInterfaceId)?.privateIpAddress;
  if (
    before.subnetId !== request.SubnetId ||
    before.allocationId !== request.AllocationId ||
    (request.PrivateIpAddress ?? address) !== address
  )
    throw new Ec2Error(
      'IdempotentParameterMismatch',
      `The client token '${request.ClientToken}' was used for another request`,
      { hint: 'another ClientToken' },
    );
  return before;
}

function refuseUnsupported(request: CreateNatGatewayRequest): void {
  const { SubnetId, AllocationId, ConnectivityType = 'public', AvailabilityMode = 'zonal' } = request;
  const secondary = [
    ...(request.SecondaryAllocationIds ?? []),
    ...(request.SecondaryPrivateIpAddresses ?? []),
  ];
  if (
    ConnectivityType !== 'public' ||
    AvailabilityMode !== 'zonal' ||
    secondary.length > 0 ||
    request.SecondaryPrivateIpAddressCount !== undefined
  )
    throw new Ec2Error('UnsupportedOperation', 'NAT gateways are public and zonal, with one address', {
      hint: 'SubnetId and AllocationId',
    });
  if (SubnetId === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter subnetId', {
      hint: 'bonami subnet ls',
    });
  if (AllocationId === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter allocationId', {
      hint: 'bonami eip allocate',
    });
}
