import { defineCommand, defineGroup } from '../define-command.ts';

const ls = defineCommand({
  command: 'ls',
  describe: 'VPCs',
  handler: async (_args, { out, open }) => {
    const { describeVpcs } = await import('../../ec2/vpcs/describe-vpcs.ts');
    const response = await describeVpcs(open(), {});
    out.result(response, () =>
      out.table(
        ['VPC', 'CIDR', 'DEFAULT'],
        (response.Vpcs ?? []).map((each) => [
          each.VpcId ?? '',
          each.CidrBlock ?? '',
          each.IsDefault === true ? 'yes' : 'no',
        ]),
      ),
    );
  },
});

export const vpc = defineGroup('vpc', 'virtual private clouds', [ls]);
