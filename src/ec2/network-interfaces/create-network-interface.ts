import type { CreateNetworkInterfaceRequest, CreateNetworkInterfaceResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { macOf } from '../../core/link-name.ts';
import { transact } from '../../store/database.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import { putTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { resolveSecurityGroups } from '../security-groups/resolve-security-groups.ts';
import { specifiedTags } from '../tags/ec2-tags.ts';
import { checkedDescription } from './checked-description.ts';
import { ec2NetworkInterface } from './ec2-network-interface.ts';
import { checkAddressCount } from './interface-limits.ts';
import { allocateAddresses } from './requested-addresses.ts';

/**
 * EC2's CreateNetworkInterface: addresses and groups that an instance can be given later. Without groups it is in the
 * default one of its VPC.
 */
export function createNetworkInterface(
  ctx: Ec2Context,
  request: Partial<CreateNetworkInterfaceRequest>,
): CreateNetworkInterfaceResult {
  refuseUnsupported(request);
  const description = checkedDescription(request.Description ?? '');
  const tags = specifiedTags(request.TagSpecifications, 'network-interface');
  const made = transact(ctx.db, () => {
    const subnet = recordOf(ctx.db, 'subnet', request.SubnetId ?? '');
    const networkInterfaceId = newId('networkInterface');
    const each: NetworkInterface = {
      networkInterfaceId,
      vpcId: subnet.vpcId,
      subnetId: subnet.subnetId,
      interfaceType: 'interface',
      description,
      ...allocateAddresses(ctx.db, subnet, request),
      macAddress: macOf(networkInterfaceId),
      securityGroupIds: resolveSecurityGroups(ctx.db, subnet.vpcId, request.Groups ?? []).map(
        ({ groupId }) => groupId,
      ),
      sourceDestCheck: true,
      attachment: null,
    };
    checkAddressCount(each, undefined);
    networkInterfaces.insert(ctx.db, each);
    putTags(ctx.db, networkInterfaceId, tags);
    endDryRun(request);
    return each;
  });
  return { NetworkInterface: ec2NetworkInterface(ctx, made) };
}

function refuseUnsupported({
  SubnetId,
  InterfaceType = 'interface' as never,
  Ipv4Prefixes,
  Ipv4PrefixCount,
  Ipv6Prefixes,
  Ipv6PrefixCount,
}: Partial<CreateNetworkInterfaceRequest>): void {
  if (SubnetId === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter subnetId', {
      hint: 'bonami subnet ls',
    });
  if (String(InterfaceType) !== 'interface')
    throw new Ec2Error(
      'UnsupportedOperation',
      `Interfaces of the type '${InterfaceType}' are not supported`,
      {
        hint: 'leave InterfaceType out',
      },
    );
  if ((Ipv4Prefixes ?? Ipv4PrefixCount ?? Ipv6Prefixes ?? Ipv6PrefixCount) !== undefined)
    throw new Ec2Error('UnsupportedOperation', 'Prefix delegation is not supported', {
      hint: 'SecondaryPrivateIpAddressCount',
    });
}
