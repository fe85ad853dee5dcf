// Which interfaces a RunInstances request asks for: those it describes, those that are there already, or one in a
// subnet that it names, or does not name.
import type { InstanceNetworkInterfaceSpecification } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Subnet } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import type { InstanceType } from '../instance-types/instance-types.ts';
import { resolveSubnet } from '../subnets/resolve-subnet.ts';
import { requireDefaultVpc } from '../vpcs/default-vpc.ts';
import type { RunInstancesInput } from './plan-launch.ts';
import { plannedInterface, type PlannedInterface } from './planned-interface.ts';

/**
 * The interfaces of each instance of a request, the primary one first. Makes the default VPC when it is needed and
 * there never was one. Throws EC2's errors for what is unknown, in use, too much for the type, or does not go together.
 */
export async function planInterfaces(
  ctx: Ec2Context,
  request: RunInstancesInput,
  { type, count }: { readonly type: InstanceType; readonly count: number },
): Promise<readonly [PlannedInterface, ...PlannedInterface[]]> {
  const specifications = request.NetworkInterfaces ?? [];
  const isDescribed = specifications.length > 0;
  if (isDescribed) refuseSecondPlace(request);
  const subnet = await namelessSubnet(ctx, request);
  const planned = (isDescribed ? specifications : [instanceLevel(request)])
    .map((each) => plannedInterface(ctx.db, each, subnet))
    .toSorted((a, b) => a.deviceIndex - b.deviceIndex);
  const [primary, ...others] = planned;
  if (primary?.deviceIndex !== 0)
    throw new Ec2Error(
      'InvalidParameterCombination',
      'An instance needs a network interface with the device index 0',
      { hint: 'DeviceIndex=0' },
    );
  checkIndices(planned);
  checkNeighbours(primary, others);
  checkCount(planned, { type, count });
  return [primary, ...others];
}

/** Subnet, groups and addresses are said in one place. */
function refuseSecondPlace(request: RunInstancesInput): void {
  const places = {
    'subnet ID': [request.SubnetId],
    'security groups': [...(request.SecurityGroupIds ?? []), ...(request.SecurityGroups ?? [])],
    'private address': [request.PrivateIpAddress],
    'IPv6 addresses': [request.Ipv6AddressCount, ...(request.Ipv6Addresses ?? [])],
  };
  for (const [what, values] of Object.entries(places))
    if (values.some((value) => value !== undefined))
      throw new Ec2Error(
        'InvalidParameterCombination',
        `Network interfaces and an instance-level ${what} may not be specified on the same request`,
        { hint: 'say it of the network interface' },
      );
}

function instanceLevel(request: RunInstancesInput): InstanceNetworkInterfaceSpecification {
  return {
    DeviceIndex: 0,
    SubnetId: request.SubnetId,
    Groups: [...(request.SecurityGroupIds ?? []), ...(request.SecurityGroups ?? [])],
    PrivateIpAddress: request.PrivateIpAddress,
    Ipv6AddressCount: request.Ipv6AddressCount,
    Ipv6Addresses: request.Ipv6Addresses,
  };
}

/** The subnet of interfaces that name none: of the default VPC, which need not be there when all name one. */
async function namelessSubnet(ctx: Ec2Context, request: RunInstancesInput): Promise<Subnet | undefined> {
  const specifications = request.NetworkInterfaces ?? [];
  const isNamed =
    specifications.length > 0
      ? specifications.every((each) => (each.SubnetId ?? each.NetworkInterfaceId) !== undefined)
      : request.SubnetId !== undefined;
  if (isNamed) return undefined;
  const { vpcId } = await requireDefaultVpc(ctx);
  return resolveSubnet(ctx.db, { vpcId, reference: undefined });
}

function checkIndices(planned: readonly PlannedInterface[]): void {
  for (const [index, { deviceIndex }] of planned.entries())
    if (planned[index + 1]?.deviceIndex === deviceIndex)
      throw new Ec2Error(
        'InvalidParameterValue',
        `The device index ${deviceIndex} is given to more than one network interface`,
        { hint: 'a device index of its own for each' },
      );
  const ids = planned.flatMap(({ networkInterfaceId }) => networkInterfaceId ?? []);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined)
    throw new Ec2Error('InvalidNetworkInterface.InUse', `Interface: [${twice}] in use: it is given twice.`, {
      hint: 'name each interface once',
    });
}

/** One VPC and one zone. (EC2 can have interfaces of other VPCs since 2023; here a VPC's machines are in its network.) */
function checkNeighbours(primary: PlannedInterface, others: readonly PlannedInterface[]): void {
  for (const { subnet } of others) {
    if (subnet.vpcId !== primary.subnet.vpcId)
      throw new Ec2Error(
        'InvalidParameterCombination',
        `The network interfaces of an instance must be in the same VPC: '${subnet.subnetId}' is in '${subnet.vpcId}', '${primary.subnet.subnetId}' in '${primary.subnet.vpcId}'`,
        { hint: 'bonami peering create, to join VPCs' },
      );
    if (subnet.availabilityZone !== primary.subnet.availabilityZone)
      throw new Ec2Error(
        'InvalidParameterCombination',
        `The network interfaces of an instance must be in the same availability zone: '${subnet.subnetId}' is in ${subnet.availabilityZone}, '${primary.subnet.subnetId}' in ${primary.subnet.availabilityZone}`,
        { hint: `bonami subnet ls, for one in ${primary.subnet.availabilityZone}` },
      );
  }
}

function checkCount(
  planned: readonly PlannedInterface[],
  { type, count }: { readonly type: InstanceType; readonly count: number },
): void {
  if (planned.length > type.maxNetworkInterfaces)
    throw new Ec2Error(
      'AttachmentLimitExceeded',
      `Interface count ${planned.length} exceeds the limit for ${type.name}, which is ${type.maxNetworkInterfaces}`,
      { hint: 'a larger instance type: bonami type ls' },
    );
  if (count > 1 && planned.some((each) => isUnique(each)))
    throw new Ec2Error(
      'InvalidParameterCombination',
      `A network interface or an address can be given to one instance only, not to ${count}`,
      { hint: 'launch them one by one' },
    );
}

/** Whether it, or an address of it, can be had once. */
function isUnique(each: PlannedInterface): boolean {
  if (each.networkInterfaceId !== undefined) return true;
  const { PrivateIpAddress, PrivateIpAddresses = [], Ipv6Addresses = [] } = each.addresses;
  return PrivateIpAddress !== undefined || PrivateIpAddresses.length > 0 || Ipv6Addresses.length > 0;
}
