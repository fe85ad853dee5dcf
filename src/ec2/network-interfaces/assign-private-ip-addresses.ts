import type { AssignPrivateIpAddressesRequest, AssignPrivateIpAddressesResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact, type Db } from '../../store/database.ts';
import { interfaceAt, networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import { moveAssociation } from '../addresses/associations.ts';
import type { Ec2Context } from '../context.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { allocatePrivateAddresses } from './allocate-private-address.ts';
import { checkAddressCount, typeOfHolder } from './interface-limits.ts';
import { namedOrCounted } from './requested-addresses.ts';
import { userInterface } from './user-interface.ts';

/**
 * EC2's AssignPrivateIpAddresses: secondary addresses, named or counted, all of them or none. With
 * `AllowReassignment` a secondary address of another interface moves here, and its elastic IP with it.
 */
export async function assignPrivateIpAddresses(
  ctx: Ec2Context,
  request: Partial<AssignPrivateIpAddressesRequest>,
): Promise<AssignPrivateIpAddressesResult> {
  const { NetworkInterfaceId = '', PrivateIpAddresses, SecondaryPrivateIpAddressCount: count } = request;
  const wanted = namedOrCounted('PrivateIpAddress', { named: PrivateIpAddresses, count });
  if (wanted.length === 0)
    throw new Ec2Error('MissingParameter', 'Either an address or a count of addresses must be specified', {
      hint: '--count 1',
    });
  const { vpcId, assigned } = transact(ctx.db, () => {
    const present = userInterface(ctx.db, NetworkInterfaceId);
    return { vpcId: present.vpcId, assigned: assign(ctx.db, present, { wanted, request }) };
  });
  await applyVpcNetwork(ctx, vpcId);
  return {
    NetworkInterfaceId,
    AssignedPrivateIpAddresses: assigned.map((PrivateIpAddress) => ({ PrivateIpAddress })),
    AssignedIpv4Prefixes: [],
  };
}

interface Assignment {
  readonly wanted: readonly (string | undefined)[];
  readonly request: Partial<AssignPrivateIpAddressesRequest>;
}

function assign(db: Db, present: NetworkInterface, { wanted, request }: Assignment): readonly string[] {
  const held = wanted.flatMap((address) => {
    const holder = address === undefined ? undefined : interfaceAt(db, present.vpcId, address);
    return address === undefined || holder === undefined ? [] : [{ address, holder }];
  });
  const moving = held.filter(({ holder }) => holder.networkInterfaceId !== present.networkInterfaceId);
  for (const { address, holder } of moving)
    refuseMove(present, { address, holder, mayMove: request.AllowReassignment === true });
  for (const { address } of moving) takeAway(db, present, address);
  const isHeld = (address: string | undefined): boolean => held.some((each) => each.address === address);
  const fresh = allocatePrivateAddresses(
    db,
    recordOf(db, 'subnet', present.subnetId),
    wanted.filter((address) => !isHeld(address)),
  );
  const arrived = [...moving.map(({ address }) => address), ...fresh];
  const changed = {
    ...present,
    secondaryPrivateIpAddresses: [...present.secondaryPrivateIpAddresses, ...arrived],
  };
  checkAddressCount(changed, typeOfHolder(db, changed));
  networkInterfaces.update(db, changed);
  return [...held.map(({ address }) => address), ...fresh];
}

interface Move {
  readonly address: string;
  readonly holder: NetworkInterface;
  readonly mayMove: boolean;
}

function refuseMove(to: NetworkInterface, { address, holder, mayMove }: Move): void {
  if (!mayMove)
    throw new Ec2Error(
      'InvalidParameterValue',
      `[${address}] is assigned to ${holder.networkInterfaceId}, but move is not allowed.`,
      { hint: 'bonami eni assign --move' },
    );
  if (holder.privateIpAddress === address)
    throw new Ec2Error(
      'InvalidParameterValue',
      `[${address}] is the primary address of ${holder.networkInterfaceId}, which cannot move`,
    );
  if (holder.subnetId !== to.subnetId)
    throw new Ec2Error(
      'InvalidParameterValue',
      `[${address}] is not of the subnet of ${to.networkInterfaceId}, '${to.subnetId}'`,
    );
}

function takeAway(db: Db, to: NetworkInterface, address: string): void {
  // Read again: it may give away several.
  const holder = interfaceAt(db, to.vpcId, address);
  if (holder === undefined) return;
  networkInterfaces.update(db, {
    ...holder,
    secondaryPrivateIpAddresses: holder.secondaryPrivateIpAddresses.filter((each) => each !== address),
  });
  // The address first belongs to nobody: an elastic IP may name an interface that does not have it yet.
  moveAssociation(db, address, { from: holder.networkInterfaceId, to: to.networkInterfaceId });
}
