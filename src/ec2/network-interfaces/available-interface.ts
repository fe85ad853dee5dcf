import { Ec2Error } from '../../core/errors.ts';
import type { Db } from '../../store/database.ts';
import type { NetworkInterface } from '../../store/network-interfaces.ts';
import { userInterface } from './user-interface.ts';

/** An interface that an instance can be given. Throws `InvalidNetworkInterface.InUse` when one has it. */
export function availableInterface(db: Db, networkInterfaceId: string): NetworkInterface {
  const present = userInterface(db, networkInterfaceId);
  if (present.attachment)
    throw new Ec2Error(
      'InvalidNetworkInterface.InUse',
      `Interface: [${networkInterfaceId}] in use: ${present.attachment.instanceId} has it.`,
      { hint: `bonami eni detach ${networkInterfaceId}` },
    );
  return present;
}
