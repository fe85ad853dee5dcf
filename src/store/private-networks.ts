// From one default VPC with a gateway of its own to networks of every shape (version 2 to 3).
import { randomBytes } from 'node:crypto';
import type { Db } from './database.ts';

type Document = Record<string, unknown>;

/** Documents of version 2 as version 3 has them; what was implied gets a record: route table, ACL, gateway, rule ids. */
export function privateNetworks(db: Db): void {
  db.exec(`
    CREATE TABLE dhcp_options (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
    ALTER TABLE vpcs ADD COLUMN is_default INTEGER;
    ALTER TABLE vpcs ADD COLUMN dhcp_options_id TEXT REFERENCES dhcp_options(id);
    CREATE UNIQUE INDEX one_default_vpc ON vpcs (is_default);
    CREATE TABLE route_tables (
      id TEXT PRIMARY KEY, vpc_id TEXT NOT NULL REFERENCES vpcs(id), document TEXT NOT NULL) STRICT;
    CREATE TABLE network_acls (
      id TEXT PRIMARY KEY, vpc_id TEXT NOT NULL REFERENCES vpcs(id), default_of TEXT UNIQUE, document TEXT NOT NULL) STRICT;
    ALTER TABLE subnets ADD COLUMN route_table_id TEXT REFERENCES route_tables(id);
    ALTER TABLE subnets ADD COLUMN network_acl_id TEXT REFERENCES network_acls(id);
    CREATE TABLE internet_gateways (
      id TEXT PRIMARY KEY, vpc_id TEXT UNIQUE REFERENCES vpcs(id), document TEXT NOT NULL) STRICT;
    CREATE TABLE vpc_peering_connections (
      id TEXT PRIMARY KEY, requester_vpc_id TEXT NOT NULL REFERENCES vpcs(id),
      accepter_vpc_id TEXT NOT NULL REFERENCES vpcs(id), document TEXT NOT NULL) STRICT;
    CREATE TABLE prefix_lists (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
    CREATE TABLE milestones (name TEXT PRIMARY KEY) STRICT;
    INSERT INTO milestones SELECT 'default-vpc' FROM vpcs LIMIT 1;

    CREATE TABLE interfaces_3 (
      id TEXT PRIMARY KEY, vpc_id TEXT NOT NULL REFERENCES vpcs(id), subnet_id TEXT NOT NULL REFERENCES subnets(id),
      instance_id TEXT REFERENCES instances(id), device_index INTEGER, mac TEXT NOT NULL UNIQUE,
      document TEXT NOT NULL, UNIQUE (instance_id, device_index)) STRICT;
    INSERT INTO interfaces_3 (id, vpc_id, subnet_id, instance_id, device_index, mac, document)
      SELECT id, vpc_id, subnet_id, instance_id, device_index, mac, document FROM network_interfaces ORDER BY rowid;
    CREATE TABLE addresses_3 (vpc_id TEXT, subnet_id TEXT, address TEXT, interface_id TEXT) STRICT;
    INSERT INTO addresses_3 SELECT vpc_id, subnet_id, private_ip, id FROM network_interfaces;
    DROP TABLE network_interfaces;
    ALTER TABLE interfaces_3 RENAME TO network_interfaces;
    CREATE TABLE interface_addresses (
      vpc_id TEXT NOT NULL, subnet_id TEXT NOT NULL, address TEXT NOT NULL,
      interface_id TEXT NOT NULL REFERENCES network_interfaces(id) ON DELETE CASCADE,
      PRIMARY KEY (vpc_id, address)) STRICT;
    CREATE INDEX addresses_of_subnet ON interface_addresses (subnet_id);
    INSERT INTO interface_addresses SELECT * FROM addresses_3;
    DROP TABLE addresses_3;

    CREATE TABLE addresses (
      id TEXT PRIMARY KEY, public_ip TEXT NOT NULL UNIQUE, carrier_ip TEXT NOT NULL UNIQUE,
      interface_id TEXT REFERENCES network_interfaces(id), private_ip TEXT, document TEXT NOT NULL,
      UNIQUE (interface_id, private_ip)) STRICT;
    CREATE TABLE nat_gateways (
      id TEXT PRIMARY KEY, vpc_id TEXT NOT NULL REFERENCES vpcs(id), subnet_id TEXT NOT NULL REFERENCES subnets(id),
      interface_id TEXT NOT NULL REFERENCES network_interfaces(id),
      allocation_id TEXT NOT NULL UNIQUE REFERENCES addresses(id), client_token TEXT UNIQUE,
      document TEXT NOT NULL) STRICT;
  `);
  for (const { id, document } of readable(db, 'vpcs')) rewriteVpc(db, id, document);
  rewrite(db, 'security_groups', ({ ipPermissions, ipPermissionsEgress, ...group }) => ({
    ...group,
    rules: [...rulesOf(ipPermissions, false), ...rulesOf(ipPermissionsEgress, true)],
  }));
  rewrite(db, 'network_interfaces', (each) => ({
    ...each,
    interfaceType: 'interface',
    secondaryPrivateIpAddresses: [],
    ipv6Addresses: [],
    sourceDestCheck: true,
  }));
  rewrite(db, 'instances', ({ securityGroupIds: _ofItsInterface, ...instance }) => ({
    ...instance,
    isNetworkLimited: false,
  }));
}

function rewriteVpc(db: Db, vpcId: string, { internetGatewayId, ...vpc }: Document): void {
  const [routeTableId, networkAclId] = [newId('rtb'), newId('acl')];
  put(db, 'vpcs', vpcId, {
    ...vpc,
    ipv6: null,
    dhcpOptionsId: null,
    enableDnsSupport: true,
    enableDnsHostnames: true,
    mainRouteTable: { associationId: newId('rtbassoc'), routeTableId },
  });
  db.prepare('UPDATE vpcs SET is_default = ? WHERE id = ?').run(vpc['isDefault'] === true ? 1 : null, vpcId);
  const target = { kind: 'internetGateway', id: internetGatewayId };
  const table = {
    routeTableId,
    vpcId,
    routes: typeof internetGatewayId === 'string' ? [{ destination: '0.0.0.0/0', target }] : [],
  };
  db.prepare('INSERT INTO route_tables (id, vpc_id, document) VALUES (?, ?, ?)').run(
    routeTableId,
    vpcId,
    JSON.stringify(table),
  );
  const entry = { ruleNumber: 100, ruleAction: 'allow', protocol: '-1', cidrBlock: '0.0.0.0/0' };
  const entries = [true, false].map((egress) => ({ ...entry, egress, portRange: null, icmpTypeCode: null }));
  db.prepare('INSERT INTO network_acls (id, vpc_id, default_of, document) VALUES (?, ?, ?, ?)').run(
    networkAclId,
    vpcId,
    vpcId,
    JSON.stringify({ networkAclId, vpcId, isDefault: true, entries }),
  );
  if (typeof internetGatewayId === 'string')
    db.prepare('INSERT INTO internet_gateways (id, vpc_id, document) VALUES (?, ?, ?)').run(
      internetGatewayId,
      vpcId,
      JSON.stringify({ internetGatewayId, vpcId }),
    );
  for (const { id, document } of readable(db, 'subnets').filter((each) => each.document['vpcId'] === vpcId)) {
    put(db, 'subnets', id, {
      ...document,
      ipv6: null,
      mapPublicIpOnLaunch: false,
      assignIpv6AddressOnCreation: false,
      routeTable: null,
      networkAcl: { associationId: newId('aclassoc'), networkAclId },
    });
    db.prepare('UPDATE subnets SET network_acl_id = ? WHERE id = ?').run(networkAclId, id);
  }
}

interface OldPermission {
  readonly ipProtocol: string;
  readonly fromPort: number | null;
  readonly toPort: number | null;
  readonly ipRanges: readonly { readonly cidrIp: string; readonly description: string | null }[];
  readonly userIdGroupPairs: readonly { readonly groupId: string; readonly description: string | null }[];
}

function rulesOf(permissions: unknown, isEgress: boolean): Document[] {
  return (permissions as OldPermission[]).flatMap(({ ipRanges, userIdGroupPairs, ...traffic }) => {
    const peers = [
      ...ipRanges.map(({ cidrIp, description }) => ({ peer: { kind: 'ipv4', cidr: cidrIp }, description })),
      ...userIdGroupPairs.map(({ groupId, description }) => ({
        peer: { kind: 'group', groupId, vpcPeeringConnectionId: null },
        description,
      })),
    ];
    return peers.map((each) => ({ securityGroupRuleId: newId('sgr'), isEgress, ...traffic, ...each }));
  });
}

function newId(prefix: string): string {
  return `${prefix}-${randomBytes(9).toString('hex').slice(0, 17)}`;
}

interface Row {
  readonly id: string;
  readonly document: Document;
}

/** The records whose document can be read at all. The others stay as they are: somebody may want them back. */
function readable(db: Db, table: string): readonly Row[] {
  const rows = db.prepare(`SELECT id, document FROM ${table}`).all() as { id: string; document: string }[];
  return rows.flatMap(({ id, document }) => {
    const content = attempt(() => JSON.parse(document) as unknown);
    const isDocument = typeof content === 'object' && content !== null && !Array.isArray(content);
    return isDocument ? [{ id, document: content as Document }] : [];
  });
}

function put(db: Db, table: string, key: string, document: Document): void {
  db.prepare(`UPDATE ${table} SET document = ? WHERE id = ?`).run(JSON.stringify(document), key);
}

function rewrite(db: Db, table: string, change: (document: Document) => Document): void {
  for (const { id, document } of readable(db, table)) {
    const changed = attempt(() => change(document));
    if (changed !== undefined) put(db, table, id, changed);
  }
}

/** One broken record is no reason to lose the others. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
