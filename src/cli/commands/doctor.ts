import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand } from '../define-command.ts';

const SIGNS = { ok: '✓', info: '·', warn: '!', fail: '✗' } as const;
const STYLES = { ok: 'green', info: 'dim', warn: 'yellow', fail: 'red' } as const;

export const doctor = defineCommand({
  command: 'doctor',
  describe: 'check everything that bonami depends on, and say what mends it',
  options: {
    fix: { type: 'boolean', describe: 'settle interrupted work and remove leftovers' },
    verify: { type: 'boolean', describe: 'read every stored disk and compare it with its digest' },
  },
  examples: [
    ['doctor', 'a look, nothing is changed'],
    ['doctor --fix', 'also removes what crashes may have left'],
    ['doctor --verify', 'also finds what the disk of this host has spoilt'],
  ],
  handler: async (args, { out, open, exitWith }) => {
    const ctx = open();
    const { examine, mend } = await import('../../ec2/doctor.ts');
    const mended = args.fix === true ? await mend(ctx) : [];
    const findings = [...(await examine(ctx)), ...(args.verify === true ? await digestFindings(ctx) : [])];
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

async function digestFindings(ctx: Ec2Context) {
  const { verifyDigests } = await import('../../ec2/verify-digests.ts');
  return verifyDigests(ctx);
}
