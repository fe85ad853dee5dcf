import type {
  DescribeInstanceTypesRequest,
  DescribeInstanceTypesResult,
  InstanceTypeInfo,
} from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests, type FilterTable } from '../filters.ts';
import { INSTANCE_TYPES, type InstanceType } from './instance-types.ts';
import { instanceStorageOf } from './instance-storage.ts';

const FILTERS: FilterTable<InstanceType> = {
  'burstable-performance-supported': ({ burstable }) => String(burstable),
  'current-generation': ({ currentGeneration }) => String(currentGeneration),
  'instance-type': ({ name }) => name,
  'memory-info.size-in-mib': ({ memoryMiB }) => String(memoryMiB),
  'processor-info.supported-architecture': ({ architectures }) => architectures,
  'vcpu-info.default-vcpus': ({ vcpus }) => String(vcpus),
};

/** EC2's DescribeInstanceTypes, for the types that bonami knows. Throws `InvalidInstanceType` for another name. */
export function describeInstanceTypes(
  _ctx: Ec2Context,
  { InstanceTypes = [], Filters = [] }: DescribeInstanceTypesRequest,
): DescribeInstanceTypesResult {
  const unknown = InstanceTypes.filter((name) => !INSTANCE_TYPES.some((type) => type.name === name));
  if (unknown.length > 0)
    throw new Ec2Error(
      'InvalidInstanceType',
      `The following supplied instance types do not exist: [${unknown.join(', ')}]`,
      { hint: 'bonami type ls' },
    );
  const tests = filterTests(Filters, FILTERS);
  const found = INSTANCE_TYPES.filter(
    ({ name }) => InstanceTypes.length === 0 || (InstanceTypes as string[]).includes(name),
  );
  return { InstanceTypes: found.filter((type) => tests.every((test) => test(type))).map(describe) };
}

function describe(type: InstanceType): InstanceTypeInfo {
  const storage = instanceStorageOf(type.name);
  return {
    InstanceType: type.name as NonNullable<InstanceTypeInfo['InstanceType']>,
    CurrentGeneration: type.currentGeneration,
    BareMetal: false,
    BurstablePerformanceSupported: type.burstable,
    SupportedRootDeviceTypes: ['ebs'],
    SupportedVirtualizationTypes: ['hvm'],
    SupportedUsageClasses: ['on-demand'],
    SupportedBootModes: type.architectures.includes('arm64') ? ['uefi'] : ['legacy-bios', 'uefi'],
    ProcessorInfo: { SupportedArchitectures: [...type.architectures] as ('i386' | 'x86_64' | 'arm64')[] },
    VCpuInfo: { DefaultVCpus: type.vcpus },
    InstanceStorageSupported: storage !== undefined,
    ...(storage && {
      InstanceStorageInfo: {
        TotalSizeInGB: storage.count * storage.sizeGB,
        Disks: [{ SizeInGB: storage.sizeGB, Count: storage.count, Type: 'ssd' }],
        NvmeSupport: 'required',
      },
    }),
    MemoryInfo: { SizeInMiB: type.memoryMiB },
    NetworkInfo: {
      MaximumNetworkInterfaces: type.maxNetworkInterfaces,
      Ipv4AddressesPerInterface: type.ipv4PerInterface,
    },
  };
}
