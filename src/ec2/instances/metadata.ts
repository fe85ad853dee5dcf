import { readFileSync } from 'node:fs';
import { keyPairs } from '../../store/key-pairs.ts';
import { instances, type Instance } from '../../store/instances.ts';
import { addresses } from '../../store/addresses.ts';
import { interfaceAt, networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import { securityGroups } from '../../store/security-groups.ts';
import { tagsOf } from '../../store/tags.ts';
import { volumes } from '../../store/volumes.ts';
import { subnets, vpcs } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { privateDnsName } from '../../core/private-names.ts';
import { ACTIVE_STATES } from './instance-state.ts';

/** The records behind one address, as the metadata service's own type; undefined when no active instance has it. */
export function instanceMetadata(
  ctx: Ec2Context,
  vpcId: string,
  address: string,
): ReturnType<typeof describe> | undefined {
  const asking = interfaceAt(ctx.db, vpcId, address);
  const instance = asking?.attachment ? instances.get(ctx.db, asking.attachment.instanceId) : undefined;
  return instance && ACTIVE_STATES.has(instance.state) ? describe(ctx, instance) : undefined;
}

function describe(ctx: Ec2Context, instance: Instance) {
  const attached = [...networkInterfaces.listBy(ctx.db, 'instance_id', instance.instanceId)].sort(
    (a, b) => (a.attachment?.deviceIndex ?? 0) - (b.attachment?.deviceIndex ?? 0),
  );
  const [key] = instance.keyName === null ? [] : keyPairs.listBy(ctx.db, 'name', instance.keyName);
  return {
    instanceId: instance.instanceId,
    imageId: instance.imageId,
    launchIndex: instance.launchIndex,
    instanceType: instance.instanceType,
    architecture: instance.architecture,
    reservationId: instance.reservationId,
    hostname: privateDnsName(attached[0]?.privateIpAddress ?? '0.0.0.0', ctx.region),
    availabilityZone: instance.availabilityZone,
    region: ctx.region,
    accountId: ctx.ownerId,
    launchTime: instance.launchTime,
    securityGroups: groupsOf(ctx, attached[0]?.securityGroupIds ?? []),
    publicKey: key && { name: key.keyName, line: key.publicKey },
    rootDeviceName: instance.rootDeviceName,
    otherDevices: volumes
      .listBy(ctx.db, 'instance_id', instance.instanceId)
      .flatMap(({ attachment }) =>
        attachment && attachment.device !== instance.rootDeviceName ? [attachment.device] : [],
      ),
    instanceStore: instance.instanceStore.filter(({ deviceName }) => deviceName !== ''),
    interfaces: attached.map((each) => interfaceMetadata(ctx, each)),
    tags: tagsOf(ctx.db, instance.instanceId),
    userData: instance.hasUserData
      ? readFileSync(ctx.layout.instance(instance.instanceId).userData)
      : undefined,
    options: instance.metadataOptions,
  };
}

function groupsOf({ db }: Ec2Context, ids: NetworkInterface['securityGroupIds']) {
  return ids.map((id) => ({ id, name: securityGroups.get(db, id)?.groupName ?? id }));
}

function interfaceMetadata(ctx: Ec2Context, each: NetworkInterface) {
  const subnet = subnets.get(ctx.db, each.subnetId);
  const vpc = vpcs.get(ctx.db, each.vpcId);
  return {
    interfaceId: each.networkInterfaceId,
    mac: each.macAddress,
    deviceIndex: each.attachment?.deviceIndex ?? 0,
    addresses: [each.privateIpAddress, ...each.secondaryPrivateIpAddresses],
    ipv6Addresses: each.ipv6Addresses,
    publicAddresses: addresses
      .listBy(ctx.db, 'interface_id', each.networkInterfaceId)
      .flatMap(({ publicIp, association }) =>
        association === null ? [] : [{ publicIp, address: association.privateIpAddress }],
      ),
    securityGroups: groupsOf(ctx, each.securityGroupIds),
    hostname: privateDnsName(each.privateIpAddress, ctx.region),
    subnetId: each.subnetId,
    subnetCidr: subnet?.cidrBlock ?? '',
    subnetIpv6Cidr: subnet?.ipv6?.cidrBlock,
    vpcId: each.vpcId,
    vpcCidr: vpc?.cidrBlock ?? '',
    vpcIpv6Cidr: vpc?.ipv6?.cidrBlock,
  };
}
