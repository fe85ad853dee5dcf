import { defineCommand, defineGroup } from '../define-command.ts';

const ls = defineCommand({
  command: 'ls',
  describe: 'subnets',
  handler: async (_args, { out, open }) => {
    const { describeSubnets } = await import('../../ec2/subnets/describe-subnets.ts');
    const response = await describeSubnets(open(), {});
    out.result(response, () =>
      out.table(
        ['SUBNET', 'VPC', 'CIDR', 'ZONE', 'FREE'],
        (response.Subnets ?? []).map((each) => [
          each.SubnetId ?? '',
          each.VpcId ?? '',
          each.CidrBlock ?? '',
          each.AvailabilityZone ?? '',
          String(each.AvailableIpAddressCount ?? ''),
        ]),
      ),
    );
  },
});

export const subnet = defineGroup('subnet', 'subnets', [ls]);
