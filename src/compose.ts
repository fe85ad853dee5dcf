import { HostError } from './core/errors.ts';
import type { Ec2Context, Report } from './ec2/context.ts';
import { packageRoot } from './package-root.ts';
import { openDatabase } from './store/database.ts';
import { layoutOf, locate, prepareHome } from './store/layout.ts';

/** Opens this user's home and makes the context that every action works with. */
export function openContext({
  signal,
  report,
}: {
  readonly signal: AbortSignal;
  readonly report: Report;
}): Ec2Context {
  if (process.getuid?.() !== 0)
    throw new HostError('NotRoot', 'bonami needs root for its namespaces, bridges and taps', {
      hint: `sudo bonami ${process.argv.slice(2).join(' ')}`,
    });
  const layout = layoutOf(locate());
  prepareHome(layout);
  const root = packageRoot();
  return {
    db: openDatabase(layout.database),
    layout,
    catalog: `${root}/images`,
    agentScript: `${root}/dist/agent.js`,
    now: () => new Date(),
    signal,
    report,
    region: 'us-east-1',
    ownerId: '000000000000',
  };
}
