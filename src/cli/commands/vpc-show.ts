import type { Inbound } from '../../ec2/reachability/inbound.ts';
import type {
  MappedGroup,
  MappedInterface,
  MappedRoute,
  MappedSubnet,
  VpcMap,
} from '../../ec2/reachability/vpc-map.ts';
import { defineCommand } from '../define-command.ts';
import { BY_NAME } from '../network-options.ts';
import { symbolsFor, treeLines, type Branch, type Symbols } from '../symbols.ts';

export const show = defineCommand({
  command: 'show <vpc>',
  describe: 'draw a VPC: its subnets, routes, instances and groups, and what may reach them',
  positionals: { vpc: { type: 'string', describe: `${BY_NAME}; or default` } },
  examples: [
    ['vpc show default', 'all that is in the default VPC'],
    ['vpc show lab --json', 'the same for a program'],
  ],
  epilogue: 'Whether one certain packet passes, and by which rule: bonami sg why FROM TO tcp/22',
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveVpc } = await import('../../ec2/resolve-in-vpc.ts');
    const { vpcMap } = await import('../../ec2/reachability/vpc-map.ts');
    const map = vpcMap(ctx, await resolveVpc(ctx, String(args['vpc'])));
    const symbols = symbolsFor(process.env);
    out.result(map, () => {
      for (const line of treeLines(drawing(map, symbols), symbols)) out.line(line);
    });
  },
});

/** The tree of a VPC. */
export function drawing(map: VpcMap, symbols: Symbols): Branch {
  const { SecurityGroups, Inbound: inbound, VpcPeeringConnections } = map;
  return {
    text: oneLine(
      words(
        labelled(map.VpcId, map.Name),
        map.CidrBlock,
        map.Ipv6CidrBlock,
        map.IsDefault ? 'default VPC' : undefined,
      ),
    ),
    branches: [
      leaf(words('internet gateway', map.InternetGatewayId ?? 'none')),
      leaf(
        words(
          'DHCP options',
          map.DhcpOptionsId,
          map.ResolverAddress ? `DNS ${map.ResolverAddress}` : 'no DNS',
        ),
      ),
      ...map.Subnets.map((subnet) => subnetBranch(subnet, symbols)),
      ...VpcPeeringConnections.map(({ VpcPeeringConnectionId, PeerVpcId, PeerCidrBlock, Status }) =>
        leaf(
          words('peering', VpcPeeringConnectionId, `${symbols.arrow} ${PeerVpcId} ${PeerCidrBlock}`, Status),
        ),
      ),
      { text: 'security groups', branches: SecurityGroups.map(groupBranch) },
      ...(inbound.length === 0 ? [] : [{ text: 'who may reach', branches: inboundBranches(inbound) }]),
    ],
  };
}

function subnetBranch(subnet: MappedSubnet, symbols: Symbols): Branch {
  const { RouteTable, NetworkAcl, NatGateways, NetworkInterfaces } = subnet;
  return {
    text: oneLine(
      words(
        `subnet ${labelled(subnet.SubnetId, subnet.Name)}`,
        subnet.AvailabilityZone,
        subnet.CidrBlock,
        subnet.Ipv6CidrBlock,
        `${subnet.AvailableIpAddressCount} free`,
      ),
    ),
    branches: [
      {
        text: words('routes', `${RouteTable.RouteTableId}${RouteTable.Main ? ' (main)' : ''}`),
        branches: RouteTable.Routes.map((route) => leaf(routeText(route, symbols))),
      },
      ...(NetworkAcl.IsDefault ? [] : [leaf(words('network ACL', NetworkAcl.NetworkAclId))]),
      ...NatGateways.map(({ NatGatewayId, PrivateIpAddress, PublicIp }) =>
        leaf(words('NAT gateway', NatGatewayId, PrivateIpAddress, `as ${PublicIp}`)),
      ),
      ...aligned(NetworkInterfaces.map(interfaceCells)).map(leaf),
    ],
  };
}

function routeText({ Destination, Target, Means, State }: MappedRoute, { arrow }: Symbols): string {
  return words(`${Destination} ${arrow} ${Target}`, State === 'active' ? `(${Means})` : '(blackhole)');
}

function interfaceCells(each: MappedInterface): readonly string[] {
  const { Instance, Groups, PrivateIpAddresses, PublicIps, Ipv6Addresses, SourceDestCheck } = each;
  const [primary = '', ...secondary] = PrivateIpAddresses;
  return [
    primary,
    Instance === undefined ? '(no instance)' : (Instance.Name ?? Instance.InstanceId),
    Instance?.State ?? '',
    Groups.map(({ GroupName }) => GroupName).join(', '),
    words(
      ...PublicIps.map((address) => `elastic ${address}`),
      ...secondary.map((address) => `also ${address}`),
      ...Ipv6Addresses,
      SourceDestCheck ? undefined : 'forwards',
      each.NetworkInterfaceId,
      Instance?.Name === undefined ? undefined : Instance.InstanceId,
    ),
  ];
}

function groupBranch({ GroupId, GroupName, Members, Inbound: rulesIn, Outbound }: MappedGroup): Branch {
  const names = Members.map(({ Name, InstanceId }) => Name ?? InstanceId);
  return {
    text: oneLine(words(labelled(GroupId, GroupName), names.length === 0 ? 'nobody' : fewOf(names))),
    branches: [
      ...(rulesIn.length === 0 ? ['nothing'] : rulesIn).map((rule) => leaf(`in   ${rule}`)),
      ...(Outbound.length === 0 ? ['nothing'] : Outbound).map((rule) => leaf(`out  ${rule}`)),
    ],
  };
}

/** Instances that the same may reach stand together. */
function inboundBranches(all: readonly Inbound[]): readonly Branch[] {
  const alike = new Map<string, { readonly names: string[]; readonly branches: readonly Branch[] }>();
  for (const each of all) {
    const branches = inboundLeaves(each);
    const key = JSON.stringify(branches);
    const known = alike.get(key) ?? { names: [], branches };
    known.names.push(each.Name ?? each.InstanceId);
    alike.set(key, known);
  }
  return [...alike.values()].map(({ names, branches }) => ({ text: oneLine(fewOf(names)), branches }));
}

function inboundLeaves({ Allowed, Internet }: Inbound): readonly Branch[] {
  return [
    ...(Allowed.length === 0 ? [leaf('nobody: no rule lets anything in')] : []),
    ...Allowed.map(({ From, Traffic }) => leaf(`${Traffic.join(', ')} from ${From}`)),
    leaf(
      Internet.Reachable
        ? `internet: yes, ${Internet.Traffic.join(', ')} at ${Internet.PublicIp}`
        : `internet: no, ${Internet.Reason}`,
    ),
  ];
}

const FEW = 8;

function fewOf(names: readonly string[]): string {
  const more = names.length - FEW;
  return `${names.slice(0, FEW).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function labelled(id: string, name: string | undefined): string {
  return name === undefined ? id : `${name} (${id})`;
}

function leaf(text: string): Branch {
  return { text: oneLine(text) };
}

/** Names and descriptions are other people's words: a line stays one. */
function oneLine(text: string): string {
  return text.replaceAll(/[\n\t]/g, ' ');
}

function words(...all: readonly (string | undefined)[]): string {
  return all.filter((each) => each !== undefined && each !== '').join('  ');
}

/** Columns as wide as their widest cell. */
function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
