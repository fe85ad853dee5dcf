import { HostError } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { networkAcls } from '../../store/network-acls.ts';
import { subnets, type Subnet, type Vpc } from '../../store/vpcs.ts';

/** The zones of our region, by what follows its name. */
export const ZONES = ['a', 'b', 'c'] as const;

export type NewSubnet = Pick<Subnet, 'cidrBlock' | 'ipv6' | 'availabilityZone' | 'defaultForAz'> & {
  readonly vpc: Vpc;
};

/** Records a subnet under the VPC's main route table and its default network ACL. Inside a transaction. */
export function recordSubnet(db: Db, { vpc: { vpcId }, ...wanted }: NewSubnet): Subnet {
  const [acl] = networkAcls.listBy(db, 'default_of', vpcId);
  if (acl === undefined)
    throw new HostError('RecordMissing', `there is no record of the default network ACL of ${vpcId}`);
  const subnet: Subnet = {
    ...wanted,
    subnetId: newId('subnet'),
    vpcId,
    mapPublicIpOnLaunch: false,
    assignIpv6AddressOnCreation: false,
    routeTable: null,
    networkAcl: { associationId: newId('networkAclAssociation'), networkAclId: acl.networkAclId },
  };
  subnets.insert(db, subnet);
  return subnet;
}
