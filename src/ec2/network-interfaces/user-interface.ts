import { Ec2Error } from '../../core/errors.ts';
import type { Db } from '../../store/database.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import { recordOf } from '../resource-kinds.ts';

/** An interface that a user may change: a NAT gateway's is the gateway's own. Throws `AuthFailure` for that, as EC2 does. */
export function userInterface(db: Db, networkInterfaceId: string): NetworkInterface {
  const found = recordOf(db, 'networkInterface', networkInterfaceId);
  if (found.interfaceType !== 'interface')
    throw new Ec2Error(
      'AuthFailure',
      `You do not have permission to access the specified resource: '${networkInterfaceId}' is a NAT gateway's.`,
      { hint: 'bonami nat ls' },
    );
  return found;
}

/** The interface with this attachment. Throws `InvalidAttachmentID.NotFound`. */
export function interfaceOfAttachment(db: Db, attachmentId: string): NetworkInterface {
  const found = networkInterfaces
    .list(db)
    .find(({ attachment }) => attachment?.attachmentId === attachmentId);
  if (found === undefined)
    throw new Ec2Error('InvalidAttachmentID.NotFound', `The attachment ID '${attachmentId}' does not exist`, {
      hint: 'bonami eni ls',
    });
  return found;
}
