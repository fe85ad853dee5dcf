import type { AllocateAddressRequest, AllocateAddressResult } from '@aws-sdk/client-ec2';
import { addressAt, parseCidr, sizeOf } from '../../core/cidr.ts';
import { BonamiError, Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { blockContains } from '../../core/ip.ts';
import { readHostAddresses, type HostAddresses } from '../../host/link/host-addresses.ts';
import { OWN_NAMESPACE } from '../../host/link/namespace.ts';
import { addresses, type Address } from '../../store/addresses.ts';
import { transact, type Db } from '../../store/database.ts';
import { putTags } from '../../store/tags.ts';
import { vpcs, type Vpc } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { specifiedTags } from '../tags/ec2-tags.ts';
import { canonicalCidr } from '../vpcs/cidr-block.ts';
import { ec2Address } from './ec2-address.ts';
import { BUILT_IN_RANGE, reachOf } from './reach.ts';

/** A larger pool is a mistake rather than a range that somebody keeps free. */
const LARGEST_POOL = 16;

/**
 * EC2's AllocateAddress: the address given as `Address`, the next free one of the block given as `PublicIpv4Pool`, or
 * one of a built-in range that only this host reaches. Throws `InvalidAddress.InUse`, `AddressLimitExceeded` or
 * `InsufficientAddressCapacity`; `UnsupportedOperation` for what an ordinary user cannot answer for.
 */
export async function allocateAddress(
  ctx: Ec2Context,
  request: Partial<AllocateAddressRequest>,
): Promise<AllocateAddressResult & Pick<ReturnType<typeof ec2Address>, 'Bonami'>> {
  const tags = specifiedTags(request.TagSpecifications, 'elastic-ip');
  const host = await readHostAddresses(ctx.ground.isRootless ? OWN_NAMESPACE : ctx.ground.namespace);
  const made = transact(ctx.db, () => {
    const address = newAddress(ctx.db, host, request);
    refuseWithoutRoot(ctx, address);
    addresses.insert(ctx.db, address);
    putTags(ctx.db, address.allocationId, tags);
    endDryRun(request);
    return address;
  });
  warn(ctx, host, made);
  const { AllocationId, PublicIp, PublicIpv4Pool, Domain, NetworkBorderGroup, Bonami } = ec2Address(
    ctx,
    made,
  );
  return { AllocationId, PublicIp, PublicIpv4Pool, Domain, NetworkBorderGroup, Bonami };
}

function newAddress(
  db: Db,
  host: HostAddresses,
  { Address: wanted, PublicIpv4Pool: pool = 'amazon' }: Partial<AllocateAddressRequest>,
): Address {
  if (wanted !== undefined && pool !== 'amazon')
    throw new Ec2Error(
      'InvalidParameterCombination',
      'An address is given by itself or by its pool, not both',
    );
  const publicIp =
    wanted ?? (pool === 'amazon' ? nextBuiltIn(db, host) : nextOfPool(db, host, poolBlock(pool)));
  const reach = reachOf(host, publicIp);
  if (reach === 'host') {
    refuseInsideVpc(db, publicIp);
    refuseRouted(host, publicIp);
  }
  return {
    allocationId: newId('address'),
    publicIp,
    carrierIp: reach === 'own' ? nextBuiltIn(db, host) : publicIp,
    reach,
    association: null,
  };
}

function nextBuiltIn(db: Db, host: HostAddresses): string {
  const used = usedAddresses(db);
  const cidr = parseCidr(BUILT_IN_RANGE);
  for (let offset = 1; offset < sizeOf(cidr) - 1; offset++) {
    const address = addressAt(cidr, offset);
    // Another home of this host may have it.
    if (!used.has(address) && !host.routed.includes(address) && vpcAround(db, address) === undefined)
      return address;
  }
  throw new Ec2Error(
    'AddressLimitExceeded',
    `The maximum number of addresses has been reached: none is free in ${BUILT_IN_RANGE}`,
    { hint: 'bonami eip release, or bonami eip allocate --range CIDR' },
  );
}

function poolBlock(pool: string): string {
  const block = canonicalCidr(pool, 'publicIpv4Pool', 4);
  if (parseCidr(block).prefix < LARGEST_POOL)
    throw new Ec2Error('InvalidParameterValue', `The range ${block} is too large to be free`, {
      hint: `a block from /${LARGEST_POOL}, like 192.168.1.240/28`,
    });
  return block;
}

/** Passes by what the host uses itself, and whom it has seen there. */
function nextOfPool(db: Db, host: HostAddresses, block: string): string {
  const used = usedAddresses(db);
  const cidr = parseCidr(block);
  for (let offset = 0; offset < sizeOf(cidr); offset++) {
    const address = addressAt(cidr, offset);
    if (used.has(address) || host.neighbours.some((each) => each.address === address)) continue;
    if (canBeGivenAway(host, address)) return address;
  }
  throw new Ec2Error(
    'InsufficientAddressCapacity',
    `Not enough available addresses to satisfy the requested address count: none is free in ${block}`,
    { hint: 'another range, or bonami eip release' },
  );
}

function canBeGivenAway(host: HostAddresses, address: string): boolean {
  try {
    return reachOf(host, address) !== 'own';
  } catch (error) {
    if (error instanceof BonamiError) return false;
    throw error;
  }
}

function usedAddresses(db: Db): ReadonlySet<string> {
  return new Set(addresses.list(db).flatMap(({ publicIp, carrierIp }) => [publicIp, carrierIp]));
}

/** The host's route to it would lead away from that VPC's own machines. */
function refuseInsideVpc(db: Db, address: string): void {
  const vpc = vpcAround(db, address);
  if (vpc)
    throw new Ec2Error(
      'InvalidParameterValue',
      `'${address}' is a private address of '${vpc.vpcId}' (${vpc.cidrBlock})`,
      { hint: 'an address outside of every VPC' },
    );
}

function vpcAround(db: Db, address: string): Vpc | undefined {
  return vpcs.list(db).find(({ cidrBlock }) => blockContains(cidrBlock, address));
}

/** Two homes must not take an address from each other. */
function refuseRouted({ routed }: HostAddresses, address: string): void {
  if (routed.includes(address))
    throw new Ec2Error(
      'InvalidAddress.InUse',
      `The address ${address} is in use: this host has a route to it`,
      {
        hint: 'ip route, or bonami eip allocate for the next free one',
      },
    );
}

function refuseWithoutRoot({ ground }: Ec2Context, { publicIp, reach }: Address): void {
  if (!ground.isRootless || reach === 'host') return;
  throw new Ec2Error(
    'UnsupportedOperation',
    reach === 'lan'
      ? `'${publicIp}' is an address of this host's network, for which only root can answer`
      : `'${publicIp}' is this host's own address, whose traffic only root can pass on`,
    { hint: 'bonami port-forward, which needs no root' },
  );
}

/** Ranges that are nobody's in the Internet (RFC 1918, RFC 5737, RFC 6598, RFC 2544). */
const NOBODYS = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '198.18.0.0/15',
  '192.0.2.0/24',
  '198.51.100.0/24',
  BUILT_IN_RANGE,
];

function warn({ ground, report }: Ec2Context, host: HostAddresses, { publicIp, reach }: Address): void {
  const neighbour = host.neighbours.find(({ address }) => address === publicIp);
  if (neighbour)
    report.warn(`${publicIp} may be taken: this host has seen a machine with it (${neighbour.mac})`);
  if (ground.isRootless)
    report.warn(
      `${publicIp} is reached from inside VPCs only: without root this host has no way to it (bonami port-forward has one)`,
    );
  else if (reach === 'host' && !NOBODYS.some((block) => blockContains(block, publicIp)))
    report.warn(`while ${publicIp} is associated, this host cannot reach whoever has it in the Internet`);
}
