import type { NetworkInterfaceId } from '../../core/ids.ts';
import { addresses, type Address } from '../../store/addresses.ts';
import type { Db } from '../../store/database.ts';

/** The elastic addresses of an interface. */
export function addressesOfInterface(db: Db, networkInterfaceId: NetworkInterfaceId): readonly Address[] {
  return addresses.listBy(db, 'interface_id', networkInterfaceId);
}

/** Takes the elastic addresses off an interface, or off some of its private addresses. Inside a transaction. */
export function dropAssociations(
  db: Db,
  networkInterfaceId: NetworkInterfaceId,
  privateAddresses?: readonly string[],
): void {
  for (const address of addressesOfInterface(db, networkInterfaceId))
    if (
      privateAddresses === undefined ||
      privateAddresses.includes(address.association?.privateIpAddress ?? '')
    )
      addresses.update(db, { ...address, association: null });
}

/** A private address takes its elastic one along when it moves (AWS: AssignPrivateIpAddresses). Inside a transaction. */
export function moveAssociation(
  db: Db,
  privateIpAddress: string,
  { from, to }: { readonly from: NetworkInterfaceId; readonly to: NetworkInterfaceId },
): void {
  for (const address of addressesOfInterface(db, from))
    if (address.association?.privateIpAddress === privateIpAddress)
      addresses.update(db, {
        ...address,
        association: { ...address.association, networkInterfaceId: to },
      });
}
