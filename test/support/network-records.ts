// A home with networks on record only: nothing of them stands in the kernel.
import { expect } from 'vitest';
import { newId, type SubnetId, type VpcId } from '../../src/core/ids.ts';
import { formatIpv6, parseCidr6 } from '../../src/core/ip.ts';
import { macOf } from '../../src/core/link-name.ts';
import { allocatePrivateAddress } from '../../src/ec2/network-interfaces/allocate-private-address.ts';
import { recordOf } from '../../src/ec2/resource-kinds.ts';
import { createSubnet } from '../../src/ec2/subnets/create-subnet.ts';
import { createVpc } from '../../src/ec2/vpcs/create-vpc.ts';
import { addresses, type Address } from '../../src/store/addresses.ts';
import { instances, type Instance } from '../../src/store/instances.ts';
import { networkInterfaces, type NetworkInterface } from '../../src/store/network-interfaces.ts';
import type { Subnet, Vpc } from '../../src/store/vpcs.ts';
import type { Db } from '../../src/store/database.ts';
import { testContext, type TestContext } from './context.ts';
import { placedIn, sampleInstance } from './sample-instance.ts';

/** What an error must be: EC2's code, and a part of its sentence. */
export function refusal(code: string, sentence = ''): unknown {
  return expect.objectContaining({ name: 'Ec2Error', code, message: expect.stringContaining(sentence) });
}

export class NetworkRecords implements Disposable {
  readonly home: TestContext = testContext();

  get ctx(): TestContext['ctx'] {
    return this.home.ctx;
  }

  get db(): Db {
    return this.ctx.db;
  }

  async vpc(cidrBlock = '10.0.0.0/16', { ipv6 = false } = {}): Promise<VpcId> {
    const { Vpc: made } = await createVpc(this.ctx, {
      CidrBlock: cidrBlock,
      AmazonProvidedIpv6CidrBlock: ipv6,
    });
    return made?.VpcId as VpcId;
  }

  async subnet(vpcId: VpcId, cidrBlock = '10.0.1.0/24', ipv6CidrBlock?: string): Promise<SubnetId> {
    const { Subnet: made } = await createSubnet(this.ctx, {
      VpcId: vpcId,
      CidrBlock: cidrBlock,
      ...(ipv6CidrBlock === undefined ? {} : { Ipv6CidrBlock: ipv6CidrBlock }),
    });
    return made?.SubnetId as SubnetId;
  }

  vpcRecord(vpcId: VpcId): Vpc {
    return recordOf(this.db, 'vpc', vpcId);
  }

  subnetRecord(subnetId: SubnetId): Subnet {
    return recordOf(this.db, 'subnet', subnetId);
  }

  /** The `index`-th /64 of a VPC's IPv6 block. */
  ipv6Block(vpcId: VpcId, index = 1): string {
    const { network } = parseCidr6(this.vpcRecord(vpcId).ipv6?.cidrBlock ?? '');
    return `${formatIpv6(network + (BigInt(index) << 64n))}/64`;
  }

  networkInterface(subnetId: SubnetId, over: Partial<NetworkInterface> = {}): NetworkInterface {
    const subnet = this.subnetRecord(subnetId);
    const networkInterfaceId = newId('networkInterface');
    const record: NetworkInterface = {
      networkInterfaceId,
      vpcId: subnet.vpcId,
      subnetId,
      interfaceType: 'interface',
      description: '',
      privateIpAddress: allocatePrivateAddress(this.db, subnet),
      secondaryPrivateIpAddresses: [],
      ipv6Addresses: [],
      macAddress: macOf(networkInterfaceId),
      securityGroupIds: [],
      sourceDestCheck: true,
      attachment: null,
      ...over,
    };
    networkInterfaces.insert(this.db, record);
    return record;
  }

  /** An instance with one interface in the subnet. */
  instance(
    subnetId: SubnetId,
    over: Partial<Instance> = {},
  ): { readonly instance: Instance; readonly networkInterface: NetworkInterface } {
    const instance = sampleInstance({ ...placedIn(this.subnetRecord(subnetId)), ...over });
    instances.insert(this.db, instance);
    const networkInterface = this.networkInterface(subnetId, { attachment: this.attachment(instance, 0) });
    return { instance, networkInterface };
  }

  attachment({ instanceId, launchTime }: Instance, deviceIndex: number): NetworkInterface['attachment'] {
    return {
      attachmentId: newId('networkInterfaceAttachment'),
      instanceId,
      deviceIndex,
      attachTime: launchTime,
      deleteOnTermination: true,
    };
  }

  address(publicIp: string, association: Address['association'] = null): Address {
    const record: Address = {
      allocationId: newId('address'),
      publicIp,
      carrierIp: publicIp,
      reach: 'host',
      association,
    };
    addresses.insert(this.db, record);
    return record;
  }

  [Symbol.dispose](): void {
    this.home.cleanup();
  }
}
