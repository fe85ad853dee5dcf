import { BonamiError } from '../../core/errors.ts';
import type { Ec2Context } from '../../ec2/context.ts';
import type { CloudInitReport } from '../../ec2/instances/cloud-init-report.ts';
import { defineCommand } from '../define-command.ts';
import { defaultKeyName, findOrPullImage } from '../launch-defaults.ts';
import { readInput } from '../read-input.ts';
import { TIMEOUT } from '../parse.ts';
import { printStages, printVerdict } from '../print-report.ts';

/** Exit code of a verdict that is not `done`. */
const VERDICT_IS_FAIL = 3;

export const smoke = defineCommand({
  command: 'smoke <files..>',
  describe: 'try user data on a fresh instance and say what cloud-init thinks of it',
  positionals: { files: { type: 'string', array: true, describe: 'user data files, - for standard input' } },
  options: {
    image: { type: 'string', describe: 'image id or name', defaultDescription: 'debian-12' },
    type: { alias: 't', type: 'string', describe: 'instance type', default: 't3.micro' },
    timeout: TIMEOUT,
    keep: { type: 'boolean', describe: 'leave the instance running for a look' },
    'allow-degraded': { type: 'boolean', describe: 'recoverable errors are no failure' },
    datasource: {
      choices: ['ec2', 'nocloud'] as const,
      describe: 'how the guest gets its data',
      default: 'ec2' as const,
    },
  },
  examples: [
    ['smoke user-data.yaml', 'exit code 0 when cloud-init is done without a complaint, 3 when not'],
    ['smoke user-data.yaml --keep', 'the instance stays; log in and look'],
  ],
  epilogue: "The verdict is cloud-init's own: done, degraded (finished with recoverable errors) or error.",
  handler: async (args, { out, open, exitWith, signal }) => {
    const files: { path: string; bytes: Buffer }[] = [];
    for (const path of args['files'] as string[])
      files.push({ path, bytes: await readInput({ path, what: 'the user data', signal }) });
    const ctx = open();
    const reports = [];
    for (const { path, bytes } of files) {
      const report = await smokeTest(ctx, bytes, args);
      reports.push({ UserData: path, ...report });
      if (report.verdict === 'error' || (report.verdict === 'degraded' && args['allow-degraded'] !== true))
        exitWith(VERDICT_IS_FAIL);
      if (out.isJson) continue;
      out.line(out.paint('bold', path));
      printStages(out, report);
      printVerdict(out, report);
      if (args.keep === true)
        out.info(`kept: bonami ssh ${report.instanceId}, later bonami terminate ${report.instanceId}`);
    }
    out.result(reports, () => undefined);
  },
});

interface SmokeWords {
  readonly image: string | undefined;
  readonly type: string;
  readonly timeout: number;
  readonly keep: boolean | undefined;
  readonly datasource: 'ec2' | 'nocloud';
}

/** One instance for one file; it is gone afterwards whatever happens, unless it is to be kept. */
async function smokeTest(ctx: Ec2Context, userData: Buffer, words: SmokeWords): Promise<CloudInitReport> {
  const { runInstances } = await import('../../ec2/instances/run-instances.ts');
  const { resolveInstance } = await import('../../ec2/instances/resolve-instance.ts');
  const { waitForInstance } = await import('../../ec2/instances/readiness.ts');
  const { cloudInitReport } = await import('../../ec2/instances/cloud-init-report.ts');
  const { terminateInstances } = await import('../../ec2/instances/terminate-instances.ts');
  const reservation = await runInstances(ctx, {
    ImageId: await findOrPullImage(ctx, words.image),
    InstanceType: words.type as 't3.micro',
    KeyName: await defaultKeyName(ctx),
    UserData: userData.toString('base64'),
    TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'Name', Value: 'smoke' }] }],
    Bonami: { Datasource: words.datasource },
  });
  const id = reservation.Instances?.[0]?.InstanceId ?? '';
  const instance = resolveInstance(ctx.db, id);
  try {
    const readiness = await waitForInstance(ctx, {
      instanceId: instance.instanceId,
      condition: 'cloud-init',
      timeoutMs: words.timeout * 1000,
    });
    return await cloudInitReport(ctx, instance, readiness);
  } catch (error) {
    if (error instanceof BonamiError && VERDICTS.has(error.code)) return neverFinished(id, error);
    throw error;
  } finally {
    if (words.keep !== true) await terminateInstances(ctx, { InstanceIds: [id] });
  }
}

/** User data that hangs, powers the guest off or panics its kernel has failed; it is not that bonami has. */
const VERDICTS = new Set(['WaitTimeout', 'InstanceEnded', 'GuestPanicked']);

function neverFinished(instanceId: string, { message, details }: BonamiError): CloudInitReport {
  return {
    instanceId,
    verdict: 'error',
    version: '',
    datasource: '',
    stages: [],
    problems: [{ severity: 'ERROR', module: 'boot', message }],
    output: details,
    source: 'console',
  };
}
