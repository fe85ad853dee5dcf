import { addressAt, parseCidr } from '../../core/cidr.ts';
import { addressAt6, parseCidr6 } from '../../core/ip.ts';
import type { VpcRecords } from '../vpcs/vpc-records.ts';

/** The router's addresses in the subnets: the first one of each block (AWS: "Subnet CIDR blocks"). */
export function gatewayAddresses({ subnets }: VpcRecords): readonly string[] {
  return subnets.flatMap(({ cidrBlock, ipv6 }) => [
    addressAt(parseCidr(cidrBlock), 1),
    ...(ipv6 === null ? [] : [addressAt6(parseCidr6(ipv6.cidrBlock), 1n)]),
  ]);
}
