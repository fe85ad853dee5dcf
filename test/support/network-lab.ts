// Networks on a real store, without a kernel's side: what an action records and refuses.
import { afterEach, beforeEach } from 'vitest';
import { newId, type InstanceId, type VpcPeeringConnectionId } from '../../src/core/ids.ts';
import { addressAt6, parseCidr6 } from '../../src/core/ip.ts';
import { macOf } from '../../src/core/link-name.ts';
import { recordSubnet } from '../../src/ec2/subnets/record-subnet.ts';
import { newIpv6Block, recordVpc } from '../../src/ec2/vpcs/record-vpc.ts';
import { internetGateways, vpcPeeringConnections } from '../../src/store/gateways.ts';
import { instances, type Instance } from '../../src/store/instances.ts';
import { makeFolder } from '../../src/store/layout.ts';
import { networkInterfaces, type NetworkInterface } from '../../src/store/network-interfaces.ts';
import { securityGroups, type SecurityGroup } from '../../src/store/security-groups.ts';
import { subnets, type Subnet, type Vpc } from '../../src/store/vpcs.ts';
import { testContext, type Reported, type TestContext } from './context.ts';
import { placedIn, sampleInstance } from './sample-instance.ts';

export interface NetworkLab {
  readonly ctx: TestContext['ctx'];
  readonly reported: Reported;
  vpc(cidrBlock: string, options?: { ipv6?: boolean; gateway?: boolean; isDefault?: boolean }): Vpc;
  /** With IPv6 where its VPC has it. */
  subnet(vpc: Vpc, cidrBlock: string, options?: { zone?: string; assignIpv6?: boolean }): Subnet;
  group(vpc: Vpc, groupName: string): SecurityGroup;
  defaultGroup(vpc: Vpc): SecurityGroup;
  peering(a: Vpc, b: Vpc, status?: 'active' | 'pending-acceptance'): VpcPeeringConnectionId;
  /** A record with its primary interface, in the first group of its VPC unless told otherwise, and no machine. */
  instance(subnet: Subnet, options?: InstanceOptions): Instance;
  interfacesOf(instanceId: InstanceId): readonly NetworkInterface[];
}

type InstanceOptions = Partial<Instance & Pick<NetworkInterface, 'securityGroupIds'>>;

/** A new home for each test of a file; replace parts of its context by `context`. */
export function networkLab(context: Partial<TestContext['ctx']> = {}): NetworkLab {
  let home: TestContext;
  beforeEach(() => {
    home = testContext({ context });
  });
  afterEach(() => home.cleanup());
  return {
    get ctx() {
      return home.ctx;
    },
    get reported() {
      return home.reported;
    },
    vpc: (cidrBlock, { ipv6 = false, gateway = false, isDefault = false } = {}) => {
      const { db } = home.ctx;
      const made = recordVpc(db, { cidrBlock, ipv6: ipv6 ? newIpv6Block(db) : null, isDefault });
      if (gateway)
        internetGateways.insert(db, { internetGatewayId: newId('internetGateway'), vpcId: made.vpcId });
      return made;
    },
    subnet: (vpc, cidrBlock, { zone = 'us-east-1a', assignIpv6 = false } = {}) => {
      const made = recordSubnet(home.ctx.db, {
        vpc,
        cidrBlock,
        ipv6:
          vpc.ipv6 === null
            ? null
            : {
                associationId: newId('subnetCidrAssociation'),
                cidrBlock: `${addressAt6(
                  parseCidr6(vpc.ipv6.cidrBlock),
                  BigInt(subnets.listBy(home.ctx.db, 'vpc_id', vpc.vpcId).length) << 64n,
                )}/64`,
              },
        availabilityZone: zone,
        defaultForAz: vpc.isDefault,
      });
      const changed = { ...made, assignIpv6AddressOnCreation: assignIpv6 };
      subnets.update(home.ctx.db, changed);
      return changed;
    },
    group: ({ vpcId }, groupName) => {
      const made: SecurityGroup = {
        groupId: newId('securityGroup'),
        groupName,
        description: 'for a test',
        vpcId,
        rules: [],
      };
      securityGroups.insert(home.ctx.db, made);
      return made;
    },
    defaultGroup: ({ vpcId }) =>
      securityGroups
        .listBy(home.ctx.db, 'vpc_id', vpcId)
        .find(({ groupName }) => groupName === 'default') as SecurityGroup,
    peering: (a, b, status = 'active') => {
      const vpcPeeringConnectionId = newId('vpcPeeringConnection');
      vpcPeeringConnections.insert(home.ctx.db, {
        vpcPeeringConnectionId,
        requesterVpcId: a.vpcId,
        accepterVpcId: b.vpcId,
        status,
        createTime: new Date(0).toISOString(),
      });
      return vpcPeeringConnectionId;
    },
    instance: (subnet, options = {}) => recordInstance(home, subnet, options),
    interfacesOf: (instanceId) => networkInterfaces.listBy(home.ctx.db, 'instance_id', instanceId),
  };
}

function recordInstance(
  { ctx }: TestContext,
  subnet: Subnet,
  {
    securityGroupIds = securityGroups
      .listBy(ctx.db, 'vpc_id', subnet.vpcId)
      .slice(0, 1)
      .map(({ groupId }) => groupId),
    ...options
  }: InstanceOptions,
): Instance {
  const made = sampleInstance({
    ...placedIn(subnet),
    state: 'stopped',
    starts: 0,
    ...options,
  });
  instances.insert(ctx.db, made);
  const { instanceId } = made;
  for (const folder of [ctx.layout.instance(instanceId).folder, ctx.layout.instance(instanceId).runFolder])
    makeFolder(folder, 0o711);
  const networkInterfaceId = newId('networkInterface');
  networkInterfaces.insert(ctx.db, {
    networkInterfaceId,
    vpcId: subnet.vpcId,
    subnetId: subnet.subnetId,
    interfaceType: 'interface',
    description: '',
    privateIpAddress: subnet.cidrBlock.replace(/\d+\/\d+$/, String(200 + instances.list(ctx.db).length)),
    secondaryPrivateIpAddresses: [],
    ipv6Addresses: [],
    macAddress: macOf(networkInterfaceId),
    securityGroupIds,
    sourceDestCheck: true,
    attachment: {
      attachmentId: newId('networkInterfaceAttachment'),
      instanceId,
      deviceIndex: 0,
      attachTime: made.launchTime,
      deleteOnTermination: true,
    },
  });
  return made;
}
