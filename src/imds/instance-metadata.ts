/** What the metadata service knows of one instance: everything it answers comes from here. */
export interface InstanceMetadata {
  readonly instanceId: string;
  readonly imageId: string;
  readonly launchIndex: number;
  readonly instanceType: string;
  readonly architecture: string;
  readonly reservationId: string;
  readonly hostname: string;
  readonly availabilityZone: string;
  readonly region: string;
  readonly accountId: string;
  readonly launchTime: string;
  readonly securityGroups: readonly { readonly id: string; readonly name: string }[];
  readonly publicKey: { readonly name: string; readonly line: string } | undefined;
  /** EC2's device names, the root device first. */
  readonly rootDeviceName: string;
  readonly otherDevices: readonly string[];
  /** The disks of its instance type that have a device name. */
  readonly instanceStore: readonly { readonly virtualName: string; readonly deviceName: string }[];
  readonly interfaces: readonly InterfaceMetadata[];
  readonly tags: Readonly<Record<string, string>>;
  readonly userData: Buffer | undefined;
  readonly options: {
    readonly httpTokens: 'optional' | 'required';
    readonly httpEndpoint: 'enabled' | 'disabled';
    readonly instanceMetadataTags: 'enabled' | 'disabled';
  };
}

export interface InterfaceMetadata {
  readonly interfaceId: string;
  readonly mac: string;
  readonly deviceIndex: number;
  /** IPv4, the primary one first. */
  readonly addresses: readonly string[];
  readonly ipv6Addresses: readonly string[];
  /** Elastic addresses, each with the private one that it stands for. */
  readonly publicAddresses: readonly { readonly publicIp: string; readonly address: string }[];
  readonly securityGroups: InstanceMetadata['securityGroups'];
  readonly hostname: string;
  readonly subnetId: string;
  readonly subnetCidr: string;
  readonly subnetIpv6Cidr: string | undefined;
  readonly vpcId: string;
  readonly vpcCidr: string;
  readonly vpcIpv6Cidr: string | undefined;
}
