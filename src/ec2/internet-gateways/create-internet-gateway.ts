import type { CreateInternetGatewayRequest, CreateInternetGatewayResult } from '@aws-sdk/client-ec2';
import { newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { internetGateways, type InternetGateway } from '../../store/gateways.ts';
import { putTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { specifiedTags } from '../tags/ec2-tags.ts';
import { ec2InternetGateway } from './ec2-internet-gateway.ts';

/** EC2's CreateInternetGateway: attached to nothing yet. */
export function createInternetGateway(
  ctx: Ec2Context,
  { TagSpecifications, DryRun }: CreateInternetGatewayRequest,
): CreateInternetGatewayResult {
  const tags = specifiedTags(TagSpecifications, 'internet-gateway');
  const gateway: InternetGateway = { internetGatewayId: newId('internetGateway'), vpcId: null };
  transact(ctx.db, () => {
    internetGateways.insert(ctx.db, gateway);
    putTags(ctx.db, gateway.internetGatewayId, tags);
    endDryRun({ DryRun });
  });
  return { InternetGateway: ec2InternetGateway(ctx, gateway) };
}
