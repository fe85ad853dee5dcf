import type {
  DescribeInstanceTypesRequest,
  DescribeInstanceTypesResult,
  InstanceTypeInfo,
  NetworkInfo,
} from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests, type FilterTable } from '../filters.ts';
import { INSTANCE_TYPES, type InstanceType } from './instance-types.ts';
import { instanceStorageOf } from './instance-storage.ts';
import { networkPerformanceText } from './network-performance.ts';

const FILTERS: FilterTable<InstanceType> = {
  'burstable-performance-supported': ({ burstable }) => String(burstable),
  'current-generation': ({ currentGeneration }) => String(currentGeneration),
  'instance-type': ({ name }) => name,
  'memory-info.size-in-mib': ({ memoryMiB }) => String(memoryMiB),
  'network-info.ipv4-addresses-per-interface': ({ ipv4PerInterface }) => String(ipv4PerInterface),
  'network-info.ipv6-addresses-per-interface': ({ ipv6PerInterface }) => String(ipv6PerInterface),
  'network-info.ipv6-supported': () => 'true',
  'network-info.maximum-network-interfaces': ({ maxNetworkInterfaces }) => String(maxNetworkInterfaces),
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
    NetworkInfo: networkInfo(type),
  };
}

function networkInfo(type: InstanceType): NetworkInfo {
  const performance = { baselineMbps: type.networkBaselineMbps, peakMbps: type.networkMbps };
  const text = networkPerformanceText(type.name, performance);
  return {
    NetworkPerformance: text,
    MaximumNetworkInterfaces: type.maxNetworkInterfaces,
    MaximumNetworkCards: 1,
    DefaultNetworkCardIndex: 0,
    NetworkCards: [
      {
        NetworkCardIndex: 0,
        NetworkPerformance: text,
        MaximumNetworkInterfaces: type.maxNetworkInterfaces,
        BaselineBandwidthInGbps: type.networkBaselineMbps / 1000,
        PeakBandwidthInGbps: type.networkMbps / 1000,
      },
    ],
    Ipv4AddressesPerInterface: type.ipv4PerInterface,
    Ipv6AddressesPerInterface: type.ipv6PerInterface,
    Ipv6Supported: true,
    EnaSupport: 'unsupported',
    EfaSupported: false,
  };
}
