import * as z from 'zod';
import { Ec2Error, errnoOf } from '../core/errors.ts';
import type { Db } from './database.ts';
import { idOf, timestamp } from './schemas.ts';
import { table, type Table } from './table.ts';
import type { Subnet } from './vpcs.ts';

const networkInterface = z.strictObject({
  networkInterfaceId: idOf('networkInterface'),
  vpcId: idOf('vpc'),
  subnetId: idOf('subnet'),
  /** `nat_gateway` is the gateway's own: nobody else may attach or delete it. */
  interfaceType: z.enum(['interface', 'nat_gateway']),
  description: z.string(),
  privateIpAddress: z.string(),
  secondaryPrivateIpAddresses: z.array(z.string()),
  ipv6Addresses: z.array(z.string()),
  macAddress: z.string(),
  securityGroupIds: z.array(idOf('securityGroup')),
  /** Off for a machine that forwards for others. */
  sourceDestCheck: z.boolean(),
  attachment: z
    .strictObject({
      attachmentId: idOf('networkInterfaceAttachment'),
      instanceId: idOf('instance'),
      deviceIndex: z.int().nonnegative(),
      attachTime: timestamp,
      deleteOnTermination: z.boolean(),
    })
    .nullable(),
});

/** EC2's NetworkInterface. */
export type NetworkInterface = z.infer<typeof networkInterface>;

const records = table<NetworkInterface>({
  name: 'network_interfaces',
  schema: networkInterface,
  id: ({ networkInterfaceId }) => networkInterfaceId,
  columns: ({ vpcId, subnetId, attachment, macAddress }) => ({
    vpc_id: vpcId,
    subnet_id: subnetId,
    instance_id: attachment?.instanceId ?? null,
    device_index: attachment?.deviceIndex ?? null,
    mac: macAddress,
  }),
  duplicate: ({ attachment, macAddress }, constraint) =>
    /\.mac\b/.test(constraint)
      ? new Ec2Error('InvalidParameterValue', `Another interface has the MAC address ${macAddress}`, {
          hint: 'try again: each interface gets one of its own',
        })
      : new Ec2Error(
          'InvalidParameterValue',
          `The instance '${attachment?.instanceId}' already has an interface at device index ${attachment?.deviceIndex}`,
          { hint: 'another --device-index' },
        ),
});

/** Every address that an interface has, its primary one first. */
export function addressesOf({
  privateIpAddress,
  secondaryPrivateIpAddresses,
  ipv6Addresses,
}: NetworkInterface): readonly string[] {
  return [privateIpAddress, ...secondaryPrivateIpAddresses, ...ipv6Addresses];
}

/** Interfaces, with their addresses in a table of their own: an address is in a VPC once, whoever has it. */
export const networkInterfaces: Table<NetworkInterface> = {
  ...records,
  insert(db, record) {
    records.insert(db, record);
    putAddresses(db, record);
  },
  update(db, record) {
    records.update(db, record);
    db.prepare('DELETE FROM interface_addresses WHERE interface_id = ?').run(record.networkInterfaceId);
    putAddresses(db, record);
  },
};

function putAddresses(db: Db, record: NetworkInterface): void {
  const statement = db.prepare(
    'INSERT INTO interface_addresses (vpc_id, subnet_id, address, interface_id) VALUES (?, ?, ?, ?)',
  );
  for (const address of addressesOf(record)) {
    try {
      statement.run(record.vpcId, record.subnetId, address, record.networkInterfaceId);
    } catch (error) {
      if (errnoOf(error) !== 'SQLITE_CONSTRAINT_PRIMARYKEY') throw error;
      throw new Ec2Error('InvalidIPAddress.InUse', `The address ${address} is in use`, {
        hint: 'choose another private address, or none',
      });
    }
  }
}

/** The interface that has this address in a VPC. */
export function interfaceAt(db: Db, vpcId: string, address: string): NetworkInterface | undefined {
  const [row] = db
    .prepare('SELECT interface_id FROM interface_addresses WHERE vpc_id = ? AND address = ?')
    .all(vpcId, address) as { interface_id: string }[];
  return row === undefined ? undefined : records.get(db, row.interface_id);
}

/** The addresses that a subnet's interfaces hold. A record that cannot be read holds its address all the same. */
export function addressesIn(db: Db, subnetId: Subnet['subnetId']): ReadonlySet<string> {
  const rows = db.prepare('SELECT address FROM interface_addresses WHERE subnet_id = ?').all(subnetId);
  return new Set((rows as { address: string }[]).map(({ address }) => address));
}
