import { Ec2Error } from '../../core/errors.ts';
import type { Db } from '../../store/database.ts';
import { subnets, vpcs, type Subnet, type Vpc } from '../../store/vpcs.ts';

/** Who uses a route table by this association: a subnet, or a VPC for its main one. Throws `InvalidAssociationID.NotFound`. */
export function userOfAssociation(
  db: Db,
  associationId: string,
): { readonly subnet: Subnet } | { readonly vpc: Vpc } {
  const subnet = subnets.list(db).find(({ routeTable }) => routeTable?.associationId === associationId);
  if (subnet !== undefined) return { subnet };
  const vpc = vpcs.list(db).find(({ mainRouteTable }) => mainRouteTable.associationId === associationId);
  if (vpc !== undefined) return { vpc };
  throw new Ec2Error(
    'InvalidAssociationID.NotFound',
    `The association ID '${associationId}' does not exist`,
    { hint: 'bonami route ls --json' },
  );
}
