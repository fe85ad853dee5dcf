import { defineCommand } from '../define-command.ts';

const SIGNS = { ok: '✓', info: '·', warn: '!', fail: '✗' } as const;
const STYLES = { ok: 'green', info: 'dim', warn: 'yellow', fail: 'red' } as const;

export const doctor = defineCommand({
  command: 'doctor',
  describe: 'check everything that bonami depends on, and say what mends it',
  options: { fix: { type: 'boolean', describe: 'settle interrupted work and remove leftovers' } },
  examples: [
    ['doctor', 'a look, nothing is changed'],
    ['doctor --fix', 'also removes what crashes may have left'],
  ],
  handler: async (args, { out, open, exitWith }) => {
    const ctx = open();
    const { examine, mend } = await import('../../ec2/doctor.ts');
    const mended = args.fix === true ? await mend(ctx) : [];
    const findings = await examine(ctx);
    out.result({ Findings: findings, Mended: mended }, () => {
      for (const { name, status, fact, remedy } of findings) {
        out.line(`${out.paint(STYLES[status], SIGNS[status])} ${name}: ${fact}`);
        if (remedy !== undefined && status !== 'ok') out.line(`    ${remedy}`);
      }
      for (const what of mended) out.line(`mended: ${what}`);
    });
    if (findings.some(({ status }) => status === 'fail')) exitWith(1);
  },
});
