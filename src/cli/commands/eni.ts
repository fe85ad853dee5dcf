import { defineCommand, defineGroup } from '../define-command.ts';

const ls = defineCommand({
  command: 'ls',
  describe: 'network interfaces',
  handler: async (_args, { out, open }) => {
    const { describeNetworkInterfaces } =
      await import('../../ec2/network-interfaces/describe-network-interfaces.ts');
    const response = describeNetworkInterfaces(open(), {});
    out.result(response, () =>
      out.table(
        ['INTERFACE', 'INSTANCE', 'ADDRESS', 'MAC', 'SUBNET'],
        (response.NetworkInterfaces ?? []).map((each) => [
          each.NetworkInterfaceId ?? '',
          each.Attachment?.InstanceId ?? '',
          each.PrivateIpAddress ?? '',
          each.MacAddress ?? '',
          each.SubnetId ?? '',
        ]),
      ),
    );
  },
});

export const eni = defineGroup('eni', 'network interfaces', [ls]);
