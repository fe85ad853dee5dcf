import { readFileSync } from 'node:fs';
import { writeSeedDisk } from '../../host/cloud-init/nocloud.ts';
import { keyPairs } from '../../store/key-pairs.ts';
import type { Instance } from '../../store/instances.ts';
import type { NetworkInterface } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { privateDnsName } from '../../core/private-names.ts';

/** Writes the NoCloud seed disk of an instance: the same facts that the metadata service would give. */
export async function writeSeed(
  ctx: Ec2Context,
  instance: Instance,
  attached: readonly NetworkInterface[],
): Promise<void> {
  const paths = ctx.layout.instance(instance.instanceId);
  const primary = attached.find(({ attachment }) => attachment?.deviceIndex === 0);
  const [key] = instance.keyName === null ? [] : keyPairs.listBy(ctx.db, 'name', instance.keyName);
  await writeSeedDisk({
    path: paths.seed,
    instanceId: instance.instanceId,
    hostname: primary ? privateDnsName(primary.privateIpAddress, ctx.region) : instance.instanceId,
    publicKeys: key ? [key.publicKey] : [],
    userData: instance.hasUserData ? readFileSync(paths.userData) : undefined,
    interfaces: attached.map(({ macAddress }) => ({ macAddress })),
  });
}
