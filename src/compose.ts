import type { Ec2Context, Report } from './ec2/context.ts';
import { HOST_GROUND } from './host/ground.ts';
import { rootlessGround } from './host/ground/rootless.ts';
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
  const layout = layoutOf(locate());
  prepareHome(layout);
  const root = packageRoot();
  return {
    db: openDatabase(layout.database),
    layout,
    ground: process.getuid?.() === 0 ? HOST_GROUND : rootlessGround(layout.ground),
    catalog: `${root}/images`,
    agentScript: `${root}/dist/agent.js`,
    now: () => new Date(),
    signal,
    report,
    region: 'us-east-1',
    ownerId: '000000000000',
  };
}
