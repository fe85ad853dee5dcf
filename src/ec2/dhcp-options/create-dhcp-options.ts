import type { CreateDhcpOptionsRequest, CreateDhcpOptionsResult } from '@aws-sdk/client-ec2';
import { newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { putTags } from '../../store/tags.ts';
import { dhcpOptionSets, type DhcpOptions } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { specifiedTags } from '../tags/ec2-tags.ts';
import { ec2DhcpOptions } from './ec2-dhcp-options.ts';
import { requestedConfigurations } from './requested-configurations.ts';

/** EC2's CreateDhcpOptions; no VPC uses them yet. Throws `InvalidParameterValue`. */
export function createDhcpOptions(
  ctx: Ec2Context,
  { DhcpConfigurations = [], TagSpecifications, DryRun }: Partial<CreateDhcpOptionsRequest>,
): CreateDhcpOptionsResult {
  const tags = specifiedTags(TagSpecifications, 'dhcp-options');
  const options: DhcpOptions = {
    dhcpOptionsId: newId('dhcpOptions'),
    configurations: requestedConfigurations(DhcpConfigurations),
  };
  transact(ctx.db, () => {
    dhcpOptionSets.insert(ctx.db, options);
    putTags(ctx.db, options.dhcpOptionsId, tags);
    endDryRun({ DryRun });
  });
  return { DhcpOptions: ec2DhcpOptions(ctx, options) };
}
