import type { DhcpOptions as Ec2DhcpOptions } from '@aws-sdk/client-ec2';
import type { DhcpOptions } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { ec2Tags } from '../tags/ec2-tags.ts';

/** EC2's DhcpOptions. */
export function ec2DhcpOptions(
  { db, ownerId }: Ec2Context,
  { dhcpOptionsId, configurations }: DhcpOptions,
): Ec2DhcpOptions {
  return {
    DhcpOptionsId: dhcpOptionsId,
    DhcpConfigurations: Object.entries(configurations).map(([Key, values]) => ({
      Key,
      Values: values.map((Value) => ({ Value })),
    })),
    OwnerId: ownerId,
    Tags: ec2Tags(db, dhcpOptionsId),
  };
}
