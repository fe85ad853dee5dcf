import type { CloudInitReport } from '../ec2/instances/cloud-init-report.ts';
import type { Output } from './output.ts';

/** cloud-init's verdict with what explains it. */
export function printVerdict(out: Output, report: CloudInitReport): void {
  const style = report.verdict === 'done' ? 'green' : report.verdict === 'degraded' ? 'yellow' : 'red';
  out.line(
    `${report.instanceId}: cloud-init ${out.paint(style, report.verdict)}${report.datasource === '' ? '' : ` (${report.datasource})`}`,
  );
  for (const { severity, module, message } of report.problems)
    out.line(`  ${severity.padEnd(8)} ${module}: ${message}`);
  if (report.output.length > 0) {
    out.line(`  the end of ${report.source === 'guest' ? '/var/log/cloud-init-output.log' : 'the console'}:`);
    for (const text of report.output) out.line(`    ${text}`);
  }
  if (report.source === 'console' && report.verdict !== 'done')
    out.line('  (read from the console: the guest did not answer over ssh)');
}

/** Where the boot's time went, stage by stage. */
export function printStages(out: Output, report: CloudInitReport): void {
  if (report.stages.length === 0) return;
  out.table(
    ['STAGE', 'STARTED', 'TOOK'],
    report.stages.map(({ name, startedAt, seconds }) => [
      name,
      `${startedAt.toFixed(1)} s`,
      `${seconds.toFixed(1)} s`,
    ]),
  );
}
