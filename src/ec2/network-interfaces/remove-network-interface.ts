import type { Db } from '../../store/database.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import { removeTags } from '../../store/tags.ts';
import { dropAssociations } from '../addresses/associations.ts';

/** Forgets an interface: its elastic addresses stay allocated, routes to it become blackholes. Inside a transaction. */
export function removeNetworkInterface(db: Db, { networkInterfaceId }: NetworkInterface): void {
  dropAssociations(db, networkInterfaceId);
  removeTags(db, networkInterfaceId);
  networkInterfaces.remove(db, networkInterfaceId);
}
