import type { GetConsoleOutputRequest, GetConsoleOutputResult } from '@aws-sdk/client-ec2';
import { readFrom } from '../../host/serial/console-log.ts';
import type { Ec2Context } from '../context.ts';
import { getInstance } from './resolve-instance.ts';

/** EC2 keeps the most recent 64 KiB (AWS: GetConsoleOutput). */
const KEPT = 64 * 1024;

/** EC2's GetConsoleOutput: the end of what the guest printed, base64, bytes as they came. */
export function getConsoleOutput(ctx: Ec2Context, request: GetConsoleOutputRequest): GetConsoleOutputResult {
  const { instanceId } = getInstance(ctx.db, request.InstanceId ?? '');
  const bytes = readFrom(ctx.layout.instance(instanceId).console, 0);
  return { InstanceId: instanceId, Output: bytes.subarray(-KEPT).toString('base64'), Timestamp: ctx.now() };
}
