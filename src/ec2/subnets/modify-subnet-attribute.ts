import type { ModifySubnetAttributeRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { subnets } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { recordOf } from '../resource-kinds.ts';

/**
 * EC2's ModifySubnetAttribute: one attribute a request; it counts for what is launched from then on. Throws
 * `InvalidParameterCombination`, `InvalidParameterValue` for IPv6 addresses where there are none.
 */
export function modifySubnetAttribute(
  { db }: Ec2Context,
  {
    SubnetId = '',
    MapPublicIpOnLaunch,
    AssignIpv6AddressOnCreation,
    ...others
  }: ModifySubnetAttributeRequest,
): Record<string, never> {
  const attributes = { MapPublicIpOnLaunch, AssignIpv6AddressOnCreation, ...others };
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined);
  if (given.length !== 1)
    throw new Ec2Error(
      'InvalidParameterCombination',
      given.length === 0
        ? 'No attributes specified.'
        : `Fields for multiple attribute types specified: ${given.map(([name]) => name).join(', ')}`,
      { hint: 'one attribute a request' },
    );
  refuseUnsupported(others);
  transact(db, () => {
    const subnet = recordOf(db, 'subnet', SubnetId);
    if (AssignIpv6AddressOnCreation?.Value === true && subnet.ipv6 === null)
      throw new Ec2Error(
        'InvalidParameterValue',
        `The subnet '${subnet.subnetId}' does not have an IPv6 CIDR block`,
        { hint: `bonami subnet set ${subnet.subnetId} --ipv6 on` },
      );
    subnets.update(db, {
      ...subnet,
      mapPublicIpOnLaunch: MapPublicIpOnLaunch?.Value ?? subnet.mapPublicIpOnLaunch,
      assignIpv6AddressOnCreation: AssignIpv6AddressOnCreation?.Value ?? subnet.assignIpv6AddressOnCreation,
    });
  });
  return {};
}

/** Setting them to what they are anyway is no mistake: Terraform does. */
function refuseUnsupported(others: Omit<ModifySubnetAttributeRequest, 'SubnetId'>): void {
  for (const [name, value] of Object.entries(others))
    if (value !== undefined && (value as { Value?: boolean }).Value !== false && value !== 'ip-name')
      throw new Ec2Error('UnsupportedOperation', `The attribute ${name} of subnets is not supported`, {
        hint: 'MapPublicIpOnLaunch and AssignIpv6AddressOnCreation are',
      });
}
