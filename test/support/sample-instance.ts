import { newId } from '../../src/core/ids.ts';
import type { Instance } from '../../src/store/instances.ts';
import type { Subnet } from '../../src/store/vpcs.ts';

const NOW = '2026-01-02T03:04:05.000Z';

/** A small instance that runs, with ids of its own; a record without anything that it refers to. */
export function sampleInstance(overrides: Partial<Instance> = {}): Instance {
  return {
    instanceId: newId('instance'),
    reservationId: newId('reservation'),
    clientToken: null,
    requestDigest: null,
    launchIndex: 0,
    launchTime: NOW,
    state: 'running',
    stateReason: null,
    stateChanged: NOW,
    imageId: 'ami-0123456789abcdef0',
    architecture: 'x86_64',
    bootMode: 'legacy-bios',
    rootDeviceName: '/dev/xvda',
    defaultUser: 'root',
    firstBoot: 'none',
    instanceType: 't3.micro',
    cpus: 1,
    memoryMiB: 256,
    accelerator: 'tcg',
    keyName: null,
    vpcId: 'vpc-0123456789abcdef0',
    subnetId: 'subnet-0123456789abcdef0',
    availabilityZone: 'us-east-1a',
    instanceStore: [],
    diskBus: 'virtio',
    isNetworkLimited: false,
    datasource: 'ec2',
    hasUserData: false,
    metadataOptions: {
      httpTokens: 'required',
      httpPutResponseHopLimit: 1,
      httpEndpoint: 'enabled',
      instanceMetadataTags: 'disabled',
    },
    shutdownBehavior: 'stop',
    uid: null,
    starts: 1,
    ...overrides,
  };
}

/** What an instance's record says of its subnet. */
export function placedIn({
  vpcId,
  subnetId,
  availabilityZone,
}: Subnet): Pick<Instance, 'vpcId' | 'subnetId' | 'availabilityZone'> {
  return { vpcId, subnetId, availabilityZone };
}
