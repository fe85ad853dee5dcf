import type { DetachNetworkInterfaceRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoint.ts';
import { transact } from '../../store/database.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { changingNics, unplugNic } from '../instances/hot-plug.ts';
import { requireState } from '../instances/instance-state.ts';
import { withInstance } from '../instances/operation.ts';
import { applyVpcNetwork, unplugInterface } from '../vpcs/network.ts';
import { interfaceOfAttachment } from './user-interface.ts';

/**
 * EC2's DetachNetworkInterface. A running guest lets go of it first; one that does not is an error, unless Force says
 * that it need not. Addresses, groups and elastic IPs stay with the interface. Throws `OperationNotPermitted` for the
 * primary one.
 */
export async function detachNetworkInterface(
  ctx: Ec2Context,
  request: Partial<DetachNetworkInterfaceRequest>,
): Promise<Record<string, never>> {
  const { AttachmentId = '' } = request;
  const instanceId = attachmentOf(ctx, AttachmentId).attachment.instanceId;
  await withInstance(ctx, { instanceId, purpose: 'detach an interface from' }, async (instance) => {
    const attached = attachmentOf(ctx, AttachmentId);
    requireState(instance, ['running', 'stopped'], 'deprived of an interface');
    endDryRun(request);
    const forget = (): void =>
      transact(ctx.db, () =>
        networkInterfaces.update(ctx.db, { ...attachmentOf(ctx, AttachmentId), attachment: null }),
      );
    if (instance.state !== 'running') return forget();
    await changingNics(ctx, instance, async () => {
      await unplugNic(ctx, instance, attached, { force: request.Force === true });
      failpoint('detach:nic');
      await unplugInterface(ctx, attached);
      failpoint('detach:interface');
      forget();
      failpoint('detach:recorded');
      // Somebody else may have settled the network, and so the port, while it was still recorded.
      await applyVpcNetwork(ctx, attached.vpcId);
    });
  });
  return {};
}

type Attached = NetworkInterface & { readonly attachment: NonNullable<NetworkInterface['attachment']> };

function attachmentOf({ db }: Ec2Context, attachmentId: string): Attached {
  const { attachment, ...rest } = interfaceOfAttachment(db, attachmentId);
  if (attachment === null || attachment.deviceIndex === 0)
    throw new Ec2Error(
      'OperationNotPermitted',
      'The network interface at device index 0 cannot be detached.',
      { hint: `bonami terminate ${attachment?.instanceId ?? ''}` },
    );
  return { ...rest, attachment };
}
