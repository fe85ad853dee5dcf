import { defineCommand, defineGroup } from '../define-command.ts';

const ls = defineCommand({
  command: 'ls [pattern]',
  describe: 'instance types',
  positionals: { pattern: { type: 'string', describe: "like 't3.*' or '*.large'" } },
  examples: [["type ls 't3.*'", 'the t3 family']],
  handler: async (args, { out, open }) => {
    const { describeInstanceTypes } = await import('../../ec2/instance-types/describe-instance-types.ts');
    const pattern = args['pattern'] as string | undefined;
    const Filters = pattern === undefined ? [] : [{ Name: 'instance-type', Values: [pattern] }];
    const response = describeInstanceTypes(open(), { Filters });
    out.result(response, () =>
      out.table(
        ['TYPE', 'VCPU', 'MEMORY', 'ARCHITECTURES'],
        (response.InstanceTypes ?? []).map((each) => [
          each.InstanceType ?? '',
          String(each.VCpuInfo?.DefaultVCpus ?? ''),
          `${(each.MemoryInfo?.SizeInMiB ?? 0) / 1024} GiB`,
          (each.ProcessorInfo?.SupportedArchitectures ?? []).join(', '),
        ]),
      ),
    );
  },
});

export const type = defineGroup('type', 'instance types', [ls]);
