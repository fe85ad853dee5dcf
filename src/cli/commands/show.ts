import type { Instance, InstanceNetworkInterface } from '@aws-sdk/client-ec2';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand } from '../define-command.ts';
import { formatAge, type Output } from '../output.ts';

export const show = defineCommand({
  command: 'show <id>',
  describe: 'show all about one instance',
  positionals: { id: { type: 'string', describe: 'id, beginning of one, or name' } },
  examples: [['show web', 'state, addresses, volumes, groups']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveInstance } = await import('../../ec2/instances/resolve-instance.ts');
    const { describeInstances } = await import('../../ec2/instances/describe-instances.ts');
    const { instanceId } = resolveInstance(ctx.db, String(args['id']));
    const { Reservations = [] } = await describeInstances(ctx, { InstanceIds: [instanceId] });
    const instance = Reservations[0]?.Instances?.[0];
    if (instance) out.result(instance, () => print(out, instance, ctx));
  },
});

/** Its id, MAC and every address; an elastic one after the private one that it stands for. */
function interfaceLine(each: InstanceNetworkInterface): string {
  const addresses = (each.PrivateIpAddresses ?? []).map(({ PrivateIpAddress, Association }) =>
    Association?.PublicIp === undefined ? PrivateIpAddress : `${PrivateIpAddress} (${Association.PublicIp})`,
  );
  const six = (each.Ipv6Addresses ?? []).map(({ Ipv6Address }) => Ipv6Address);
  return [each.NetworkInterfaceId, each.MacAddress, ...addresses, ...six].join('  ');
}

function print(out: Output, instance: Instance, ctx: Ec2Context): void {
  const tags = (instance.Tags ?? []).map(({ Key, Value }) => `${Key}=${Value}`).join(', ');
  out.facts([
    ['instance', instance.InstanceId],
    ['tags', tags],
    ['state', `${instance.State?.Name}${instance.StateReason ? ` (${instance.StateReason.Message})` : ''}`],
    [
      'type',
      `${instance.InstanceType}, ${instance.CpuOptions?.CoreCount} vCPU, ${instance.Architecture}, ${instance.CurrentInstanceBootMode}`,
    ],
    ['image', instance.ImageId],
    ['key pair', instance.KeyName],
    [
      'launched',
      instance.LaunchTime &&
        `${instance.LaunchTime.toISOString()} (${formatAge(instance.LaunchTime, ctx.now())} ago)`,
    ],
    ['address', instance.PrivateIpAddress && `${instance.PrivateIpAddress}  ${instance.PrivateDnsName}`],
    [
      'network',
      instance.SubnetId &&
        `${instance.SubnetId} in ${instance.VpcId}, ${instance.Placement?.AvailabilityZone}`,
    ],
    [
      'groups',
      (instance.SecurityGroups ?? []).map(({ GroupName, GroupId }) => `${GroupName} (${GroupId})`).join(', '),
    ],
    ['public', instance.PublicIpAddress],
    ...(instance.NetworkInterfaces ?? []).map((each) => ['interface', interfaceLine(each)] as const),
    ...(instance.BlockDeviceMappings ?? []).map(
      ({ DeviceName, Ebs }) =>
        [
          'volume',
          `${DeviceName}  ${Ebs?.VolumeId}${Ebs?.DeleteOnTermination === false ? '  kept after termination' : ''}`,
        ] as const,
    ),
    [
      'metadata',
      `tokens ${instance.MetadataOptions?.HttpTokens}, hop limit ${instance.MetadataOptions?.HttpPutResponseHopLimit}`,
    ],
  ]);
}
