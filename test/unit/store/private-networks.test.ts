// A home of the second version, with one default VPC whose gateway was a field, as it is found by a newer program.
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isId, newId } from '../../../src/core/ids.ts';
import { addresses } from '../../../src/store/addresses.ts';
import { openDatabase, transact, type Db } from '../../../src/store/database.ts';
import { internetGateways, natGateways, vpcPeeringConnections } from '../../../src/store/gateways.ts';
import { instances } from '../../../src/store/instances.ts';
import { layerDisks } from '../../../src/store/layer-disks.ts';
import { isReached } from '../../../src/store/milestones.ts';
import { MIGRATIONS } from '../../../src/store/migrations.ts';
import { networkAcls, type NetworkAcl } from '../../../src/store/network-acls.ts';
import { addressesIn, interfaceAt, networkInterfaces } from '../../../src/store/network-interfaces.ts';
import { privateNetworks } from '../../../src/store/private-networks.ts';
import { routeTables } from '../../../src/store/route-tables.ts';
import { prefixLists, securityGroups } from '../../../src/store/security-groups.ts';
import { tagsOf } from '../../../src/store/tags.ts';
import { dhcpOptionSets, subnets, vpcs } from '../../../src/store/vpcs.ts';

const VPC = 'vpc-0123456789abcdef0';
const GATEWAY = 'igw-0123456789abcdef0';
const [ZONE_A, ZONE_B] = ['subnet-0aaaaaaaaaaaaaaaa', 'subnet-0bbbbbbbbbbbbbbbb'] as const;
const [DEFAULT, WEB] = ['sg-0aaaaaaaaaaaaaaaa', 'sg-0bbbbbbbbbbbbbbbb'] as const;
const INSTANCE = 'i-0123456789abcdef0';
const [PLUGGED, FREE] = ['eni-0aaaaaaaaaaaaaaaa', 'eni-0bbbbbbbbbbbbbbbb'] as const;
const NOW = '2026-01-02T03:04:05.000Z';
/** Every table of networks and what is plugged into them. */
const TABLES = [
  vpcs,
  subnets,
  dhcpOptionSets,
  routeTables,
  networkAcls,
  internetGateways,
  natGateways,
  vpcPeeringConnections,
  securityGroups,
  prefixLists,
  networkInterfaces,
  addresses,
  instances,
];

let home: string;
let path: string;
let opened: Db[];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'bonami-second-'));
  path = join(home, 'state.db');
  opened = [];
  const db = plain();
  db.exec(MIGRATIONS[0] as string);
  layerDisks(db, home);
  db.exec('PRAGMA user_version = 2');
  secondVersion(db);
  db.close();
});
afterEach(() => {
  for (const db of opened) if (db.open) db.close();
  rmSync(home, { recursive: true, force: true });
});

/** The database as SQLite has it. */
function plain(file = path): Db {
  const db = new Database(file);
  opened.push(db);
  db.exec('PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON;');
  return db;
}

function migrated(): Db {
  const db = openDatabase(path);
  opened.push(db);
  return db;
}

function put(db: Db, table: string, columns: Record<string, string | number | null>, document: object): void {
  const names = [...Object.keys(columns), 'document'];
  db.prepare(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`).run(
    ...Object.values(columns),
    JSON.stringify(document),
  );
}

function secondVersion(db: Db): void {
  put(db, 'vpcs', { id: VPC }, vpc());
  for (const [subnetId, zone, block] of [
    [ZONE_A, 'a', '172.31.0.0/20'],
    [ZONE_B, 'b', '172.31.16.0/20'],
  ] as const)
    put(
      db,
      'subnets',
      { id: subnetId, vpc_id: VPC },
      { subnetId, vpcId: VPC, cidrBlock: block, availabilityZone: `us-east-1${zone}`, defaultForAz: true },
    );
  for (const [groupId, name, ipPermissions] of [
    [DEFAULT, 'default', [permission('-1', null, null, { groups: [DEFAULT] })]],
    [
      WEB,
      'web',
      [
        permission('tcp', 80, 443, { blocks: ['0.0.0.0/0', '10.0.0.0/8'], groups: [DEFAULT], note: 'all' }),
        permission('udp', 53, 53, { blocks: ['192.0.2.1/32'] }),
        permission('icmp', 8, -1, { blocks: ['0.0.0.0/0'] }),
        permission('icmp', -1, -1, { groups: [WEB] }),
        permission('tcp', 22, 22, {}),
      ],
    ],
  ] as const) {
    const everything = permission('-1', null, null, { blocks: ['0.0.0.0/0'] });
    const document = { groupId, groupName: name, description: `the ${name} group`, vpcId: VPC };
    put(
      db,
      'security_groups',
      { id: groupId, vpc_id: VPC, name },
      { ...document, ipPermissions, ipPermissionsEgress: [everything] },
    );
  }
  put(db, 'instances', { id: INSTANCE, state: 'stopped', client_token: null, uid: null }, instance());
  const attachment = {
    attachmentId: 'eni-attach-0123456789abcdef0',
    instanceId: INSTANCE,
    deviceIndex: 0,
    attachTime: NOW,
    deleteOnTermination: true,
  };
  putInterface(db, PLUGGED, { address: '172.31.0.10', attachment });
  putInterface(db, FREE, { address: '172.31.16.7', subnetId: ZONE_B });
  db.prepare('INSERT INTO tags (resource_id, key, value) VALUES (?, ?, ?)').run(GATEWAY, 'Name', 'out');
}

function vpc(fields: object = {}): object {
  const whole = { vpcId: VPC, cidrBlock: '172.31.0.0/16', isDefault: true, internetGatewayId: GATEWAY };
  return { ...whole, ...fields };
}

interface Peers {
  readonly blocks?: readonly string[];
  readonly groups?: readonly string[];
  readonly note?: string;
}

function permission(
  ipProtocol: string,
  fromPort: number | null,
  toPort: number | null,
  { blocks = [], groups = [], note }: Peers,
): object {
  const description = note ?? null;
  return {
    ipProtocol,
    fromPort,
    toPort,
    ipRanges: blocks.map((cidrIp) => ({ cidrIp, description })),
    userIdGroupPairs: groups.map((groupId) => ({ groupId, description })),
  };
}

function instance(): object {
  return {
    instanceId: INSTANCE,
    reservationId: 'r-0123456789abcdef0',
    clientToken: null,
    requestDigest: null,
    launchIndex: 0,
    launchTime: NOW,
    state: 'stopped',
    stateReason: null,
    stateChanged: NOW,
    imageId: 'ami-0123456789abcdef0',
    architecture: 'x86_64',
    bootMode: 'legacy-bios',
    rootDeviceName: '/dev/xvda',
    defaultUser: 'debian',
    firstBoot: 'cloud-init',
    instanceType: 't3.micro',
    cpus: 2,
    memoryMiB: 1024,
    accelerator: 'kvm',
    keyName: null,
    vpcId: VPC,
    subnetId: ZONE_A,
    availabilityZone: 'us-east-1a',
    securityGroupIds: [DEFAULT],
    instanceStore: [],
    diskBus: 'virtio',
    datasource: 'ec2',
    hasUserData: false,
    metadataOptions: {
      httpTokens: 'required',
      httpPutResponseHopLimit: 2,
      httpEndpoint: 'enabled',
      instanceMetadataTags: 'disabled',
    },
    shutdownBehavior: 'stop',
    uid: null,
    starts: 1,
  };
}

function putInterface(
  db: Db,
  networkInterfaceId: string,
  {
    address,
    subnetId = ZONE_A,
    attachment = null,
  }: {
    readonly address: string;
    readonly subnetId?: string;
    readonly attachment?: { readonly instanceId: string; readonly deviceIndex: number } | null;
  },
): void {
  const macAddress = `02:00:00:00:00:${networkInterfaceId.slice(-2)}`;
  put(
    db,
    'network_interfaces',
    {
      id: networkInterfaceId,
      vpc_id: VPC,
      subnet_id: subnetId,
      instance_id: attachment?.instanceId ?? null,
      device_index: attachment?.deviceIndex ?? null,
      private_ip: address,
      mac: macAddress,
    },
    {
      networkInterfaceId,
      vpcId: VPC,
      subnetId,
      description: 'mine',
      privateIpAddress: address,
      macAddress,
      securityGroupIds: [DEFAULT, WEB],
      attachment,
    },
  );
}

/** Replaces a document, whatever it is then. */
function damage(table: string, id: string, document: string): void {
  const db = plain();
  db.prepare(`UPDATE ${table} SET document = ? WHERE id = ?`).run(document, id);
  db.close();
}

/** Everything that is in a database, with what it is made of. */
function content(db: Db): unknown {
  const schema = db.prepare('SELECT name, sql FROM sqlite_schema ORDER BY name').all();
  const names = (schema as { name: string; sql: string | null }[])
    .filter(({ sql }) => sql?.startsWith('CREATE TABLE'))
    .map(({ name }) => name);
  const rows = names.map((name) => [name, db.prepare(`SELECT * FROM "${name}"`).all()]);
  return { version: version(db), schema, rows };
}

function version(db: Db): number | undefined {
  return (db.prepare('PRAGMA user_version').all() as { user_version: number }[])[0]?.user_version;
}

function expectWhole(db: Db): void {
  expect(db.prepare('PRAGMA foreign_key_check').all()).toEqual([]);
  expect(db.prepare('PRAGMA integrity_check').all()).toMatchObject([{ integrity_check: 'ok' }]);
}

describe('a home with a gateway', () => {
  test('has a VPC with all that was implied on record', () => {
    const db = migrated();
    const [mine] = vpcs.list(db);
    expect(mine).toMatchObject({
      vpcId: VPC,
      cidrBlock: '172.31.0.0/16',
      ipv6: null,
      isDefault: true,
      dhcpOptionsId: null,
      enableDnsSupport: true,
      enableDnsHostnames: true,
    });
    expect(internetGateways.list(db)).toEqual([{ internetGatewayId: GATEWAY, vpcId: VPC }]);
    const target = { kind: 'internetGateway', id: GATEWAY };
    expect(routeTables.list(db)).toEqual([
      {
        routeTableId: mine?.mainRouteTable.routeTableId,
        vpcId: VPC,
        routes: [{ destination: '0.0.0.0/0', target }],
      },
    ]);
    const open = { ruleNumber: 100, ruleAction: 'allow', protocol: '-1', cidrBlock: '0.0.0.0/0' };
    expect(networkAcls.list(db)).toMatchObject([
      {
        vpcId: VPC,
        isDefault: true,
        entries: [
          { ...open, egress: true },
          { ...open, egress: false },
        ],
      },
    ]);
    expect(tagsOf(db, GATEWAY)).toEqual({ Name: 'out' });
    expectWhole(db);
  });

  test('has every record, and each reads', () => {
    const db = migrated();
    expect(TABLES.flatMap((each) => each.broken(db))).toEqual([]);
    const [acl] = networkAcls.list(db);
    expect(subnets.list(db)).toMatchObject(
      [
        [ZONE_A, '172.31.0.0/20', 'us-east-1a'],
        [ZONE_B, '172.31.16.0/20', 'us-east-1b'],
      ].map(([subnetId, cidrBlock, availabilityZone]) => ({
        subnetId,
        vpcId: VPC,
        cidrBlock,
        availabilityZone,
        defaultForAz: true,
        ipv6: null,
        mapPublicIpOnLaunch: false,
        assignIpv6AddressOnCreation: false,
        routeTable: null,
        networkAcl: { networkAclId: acl?.networkAclId },
      })),
    );
    const associations = subnets.list(db).map(({ networkAcl }) => networkAcl.associationId);
    expect(new Set(associations).size).toBe(2);
    expect(networkInterfaces.list(db)).toEqual([
      expect.objectContaining({
        networkInterfaceId: PLUGGED,
        privateIpAddress: '172.31.0.10',
        secondaryPrivateIpAddresses: [],
        ipv6Addresses: [],
        interfaceType: 'interface',
        sourceDestCheck: true,
        securityGroupIds: [DEFAULT, WEB],
        attachment: expect.objectContaining({ instanceId: INSTANCE, deviceIndex: 0 }) as unknown,
      }),
      expect.objectContaining({ networkInterfaceId: FREE, subnetId: ZONE_B, attachment: null }),
    ]);
    const { securityGroupIds: _gone, ...kept } = instance() as Record<string, unknown>;
    expect(instances.list(db)).toEqual([{ ...kept, isNetworkLimited: false }]);
    expect(isReached(db, 'default-vpc')).toBe(true);
  });

  test('finds by columns what it found before, and what is new', () => {
    const db = migrated();
    const [acl] = networkAcls.list(db);
    expect(networkInterfaces.listBy(db, 'instance_id', INSTANCE)).toHaveLength(1);
    expect(networkInterfaces.listBy(db, 'subnet_id', ZONE_B)).toMatchObject([{ networkInterfaceId: FREE }]);
    expect(subnets.listBy(db, 'network_acl_id', acl?.networkAclId ?? '')).toHaveLength(2);
    expect(routeTables.listBy(db, 'vpc_id', VPC)).toHaveLength(1);
    expect(vpcs.listBy(db, 'is_default', 1)).toHaveLength(1);
    expect(networkAcls.listBy(db, 'default_of', VPC)).toHaveLength(1);
    expect([...addressesIn(db, ZONE_A)]).toEqual(['172.31.0.10']);
    expect(interfaceAt(db, VPC, '172.31.16.7')?.networkInterfaceId).toBe(FREE);
  });

  test('has a rule with an id of its own for each peer of each permission', () => {
    const db = migrated();
    const rulesIn = (groupId: string): readonly unknown[] =>
      (securityGroups.get(db, groupId)?.rules ?? []).map(({ securityGroupRuleId: _id, ...rule }) => rule);
    const group = (groupId: string): object => ({ kind: 'group', groupId, vpcPeeringConnectionId: null });
    const block = (cidr: string): object => ({ kind: 'ipv4', cidr });
    const all = { ipProtocol: '-1', fromPort: null, toPort: null, description: null };
    const outward = { ...all, isEgress: true, peer: block('0.0.0.0/0') };
    expect(rulesIn(DEFAULT)).toEqual([{ ...all, isEgress: false, peer: group(DEFAULT) }, outward]);
    const tcp = { isEgress: false, ipProtocol: 'tcp', fromPort: 80, toPort: 443, description: 'all' };
    const icmp = { isEgress: false, ipProtocol: 'icmp', fromPort: -1, toPort: -1, description: null };
    expect(rulesIn(WEB)).toEqual([
      { ...tcp, peer: block('0.0.0.0/0') },
      { ...tcp, peer: block('10.0.0.0/8') },
      { ...tcp, peer: group(DEFAULT) },
      { ...tcp, ipProtocol: 'udp', fromPort: 53, toPort: 53, description: null, peer: block('192.0.2.1/32') },
      { ...icmp, fromPort: 8, peer: block('0.0.0.0/0') },
      { ...icmp, peer: group(WEB) },
      outward,
    ]);
    const ids = securityGroups.list(db).flatMap(({ rules }) => rules.map((rule) => rule.securityGroupRuleId));
    expect(ids.filter((id) => isId('securityGroupRule', id))).toHaveLength(9);
    expect(new Set(ids).size).toBe(9);
  });

  test('is copied as it was, for its owner only', () => {
    migrated();
    const copy = `${path}.schema-2`;
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    const old = plain(copy);
    expect(version(old)).toBe(2);
    expect(old.prepare('SELECT private_ip FROM network_interfaces').all()).toHaveLength(2);
    expect(readdirSync(home).filter((name) => name.includes('schema-2.'))).toEqual([]);
  });
});

test('a home without a gateway has none, and no route to one', () => {
  damage('vpcs', VPC, JSON.stringify(vpc({ internetGatewayId: null })));
  const db = migrated();
  expect(internetGateways.list(db)).toEqual([]);
  expect(routeTables.list(db)).toMatchObject([{ vpcId: VPC, routes: [] }]);
  expect(vpcs.list(db)).toMatchObject([{ vpcId: VPC, isDefault: true }]);
  expectWhole(db);
});

test('a home without networks has none afterwards', () => {
  const db = plain();
  for (const table of ['network_interfaces', 'instances', 'security_groups', 'subnets', 'vpcs'])
    db.exec(`DELETE FROM ${table}`);
  db.close();
  const now = migrated();
  expect(TABLES.map((each) => each.list(now).length)).toEqual(TABLES.map(() => 0));
  expectWhole(now);
});

describe('afterwards the constraints hold:', () => {
  test('an address is in a VPC once, whichever subnet and whoever has it', () => {
    const db = migrated();
    const [first] = networkInterfaces.list(db);
    if (first === undefined) throw new Error('nothing was migrated');
    const other = {
      ...first,
      networkInterfaceId: newId('networkInterface'),
      subnetId: ZONE_B,
      macAddress: '02:00:00:00:00:ff',
      attachment: null,
    };
    for (const taken of [
      other,
      { ...other, privateIpAddress: '172.31.0.99', secondaryPrivateIpAddresses: ['172.31.0.10'] },
    ])
      expect(() => transact(db, () => networkInterfaces.insert(db, taken))).toThrow(
        expect.objectContaining({
          code: 'InvalidIPAddress.InUse',
          message: 'The address 172.31.0.10 is in use',
        }),
      );
    expect(networkInterfaces.list(db)).toHaveLength(2);
  });

  test('there is one default VPC', () => {
    const db = migrated();
    const [mine] = vpcs.list(db);
    if (mine === undefined) throw new Error('nothing was migrated');
    const second = { ...mine, vpcId: newId('vpc') };
    expect(() => vpcs.insert(db, second)).toThrow('UNIQUE');
    vpcs.insert(db, { ...second, isDefault: false });
    vpcs.insert(db, { ...second, vpcId: newId('vpc'), isDefault: false });
    expect(() => vpcs.update(db, second)).toThrow('UNIQUE');
    expect(vpcs.list(db).map(({ isDefault }) => isDefault)).toEqual([true, false, false]);
  });

  test('a VPC has one gateway and one default ACL', () => {
    const db = migrated();
    const gateway = { internetGatewayId: newId('internetGateway'), vpcId: VPC } as const;
    expect(() => internetGateways.insert(db, gateway)).toThrow(
      expect.objectContaining({ code: 'Resource.AlreadyAssociated' }),
    );
    internetGateways.insert(db, { ...gateway, vpcId: null });
    const acl: NetworkAcl = { networkAclId: newId('networkAcl'), vpcId: VPC, isDefault: true, entries: [] };
    expect(() => networkAcls.insert(db, acl)).toThrow('UNIQUE');
    networkAcls.insert(db, { ...acl, isDefault: false });
  });

  test('what others refer to stays', () => {
    const db = migrated();
    const [acl] = networkAcls.list(db);
    for (const [table, id] of [
      [vpcs, VPC],
      [subnets, ZONE_A],
      [instances, INSTANCE],
      [networkAcls, acl?.networkAclId ?? ''],
    ] as const)
      expect(() => table.remove(db, id)).toThrow('FOREIGN KEY');
    expectWhole(db);
  });

  test('an interface that goes takes its addresses along, and nothing else does', () => {
    const db = migrated();
    networkInterfaces.remove(db, FREE);
    expect(interfaceAt(db, VPC, '172.31.16.7')).toBeUndefined();
    expect([...addressesIn(db, ZONE_B)]).toEqual([]);
    expect([...addressesIn(db, ZONE_A)]).toEqual(['172.31.0.10']);
  });

  test('an elastic address keeps the interface that it stands for', () => {
    const db = migrated();
    const networkInterfaceId = FREE;
    const association = {
      associationId: newId('addressAssociation'),
      networkInterfaceId,
      privateIpAddress: '172.31.16.7',
    };
    const address = {
      allocationId: newId('address'),
      publicIp: '198.51.100.7',
      carrierIp: '198.51.100.7',
      reach: 'host',
      association,
    } as const;
    addresses.insert(db, address);
    expect(() => networkInterfaces.remove(db, FREE)).toThrow('FOREIGN KEY');
    const other = { ...address, allocationId: newId('address'), carrierIp: '198.51.100.8' };
    expect(() => addresses.insert(db, { ...other, association: null })).toThrow(
      expect.objectContaining({ code: 'InvalidAddress.InUse' }),
    );
    expect(() => addresses.insert(db, { ...other, publicIp: '198.51.100.8' })).toThrow(
      expect.objectContaining({ code: 'Resource.AlreadyAssociated' }),
    );
    addresses.update(db, { ...address, association: null });
    networkInterfaces.remove(db, FREE);
  });
});

describe('a record that cannot be read', () => {
  test.each([
    ['vpcs', VPC],
    ['subnets', ZONE_A],
    ['security_groups', WEB],
    ['network_interfaces', FREE],
    ['instances', INSTANCE],
  ])('in %s stays as it is, and the others are migrated', (table, id) => {
    for (const rubbish of ['{"half', 'null', '[]', '7', '']) {
      damage(table, id, rubbish);
      const db = migrated();
      expect(db.prepare(`SELECT document FROM ${table} WHERE id = ?`).all(id)).toMatchObject([
        { document: rubbish },
      ]);
      const broken = TABLES.flatMap((each) => each.broken(db)).map((each) => each.id);
      // Without its VPC a subnet has no ACL to name.
      expect(broken).toEqual(table === 'vpcs' ? [VPC, ZONE_A, ZONE_B] : [id]);
      expectWhole(db);
      db.close();
      restore();
    }
  });

  test.each([
    ['vpcs', VPC, {}],
    ['subnets', ZONE_A, {}],
    ['security_groups', WEB, { groupId: WEB }],
    ['security_groups', WEB, { groupId: WEB, ipPermissions: [{}], ipPermissionsEgress: 'all' }],
    ['network_interfaces', FREE, { networkInterfaceId: PLUGGED }],
    ['instances', INSTANCE, { instanceId: 7 }],
  ])('because something is missing in %s is broken still, and does no harm', (table, id, document) => {
    damage(table, id, JSON.stringify(document));
    const db = migrated();
    const broken = TABLES.flatMap((each) => each.broken(db)).map((each) => each.id);
    expect(broken).toContain(id);
    expect(networkInterfaces.list(db).map((each) => each.networkInterfaceId)).toContain(PLUGGED);
    expectWhole(db);
  });

  test('of an interface holds its address all the same', () => {
    damage('network_interfaces', FREE, '{"half');
    const db = migrated();
    expect([...addressesIn(db, ZONE_B)]).toEqual(['172.31.16.7']);
    expect(() => interfaceAt(db, VPC, '172.31.16.7')).toThrow(
      expect.objectContaining({ code: 'RecordBroken', message: expect.stringContaining(FREE) }),
    );
  });

  /** The home as it was before it was migrated. */
  function restore(): void {
    for (const file of [path, `${path}-wal`, `${path}-shm`]) rmSync(file, { force: true });
    copyFileSync(`${path}.schema-2`, path);
  }
});

describe('a migration that was cut short', () => {
  test('leaves the second version whole, and is done again', () => {
    const before = content(plain());
    const db = plain();
    db.exec('BEGIN IMMEDIATE');
    privateNetworks(db);
    // What a crash leaves: the files as they are while nothing has been committed, and a copy without its name.
    const crashed = join(home, 'crashed');
    for (const suffix of ['', '-wal'])
      if (existsSync(`${path}${suffix}`)) copyFileSync(`${path}${suffix}`, `${crashed}${suffix}`);
    writeFileSync(`${crashed}.schema-2.1`, 'half a copy');
    db.exec('ROLLBACK');
    expect(content(plain(crashed))).toEqual(before);
    path = crashed;
    expect(vpcs.list(migrated())).toHaveLength(1);
    expect(internetGateways.list(migrated())).toHaveLength(1);
    expectWhole(migrated());
  });

  test('by its own failure leaves the second version whole, says why, and may be tried again', () => {
    const db = plain();
    db.exec('CREATE TABLE nat_gateways (mine TEXT)');
    const before = content(db);
    db.close();
    // The second attempt finds the copy of the first.
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(() => migrated()).toThrow(
        expect.objectContaining({
          code: 'StoreUnreadable',
          message: expect.stringMatching(/nat_gateways.*already exists/),
        }),
      );
      expect(content(plain())).toEqual(before);
    }
    const mended = plain();
    mended.exec('DROP TABLE nat_gateways');
    mended.close();
    expect(TABLES.flatMap((each) => each.broken(migrated()))).toEqual([]);
  });
});
