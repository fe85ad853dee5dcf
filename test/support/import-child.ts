// A process that imports a disk into a home, for tests that kill it: import-child.ts HOME SOURCE NAME
import { fileURLToPath } from 'node:url';
import { importImage } from '../../src/ec2/images/import-image.ts';
import { HOST_GROUND } from '../../src/host/ground.ts';
import { openDatabase } from '../../src/store/database.ts';
import { layoutOf, locate } from '../../src/store/layout.ts';

const [home = '', source = '', name = ''] = process.argv.slice(2);
const layout = layoutOf(locate({ ...process.env, BONAMI_HOME: home }));
process.stdout.write('ready\n');
await importImage(
  {
    db: openDatabase(layout.database),
    layout,
    ground: HOST_GROUND,
    catalog: fileURLToPath(new URL('../../images', import.meta.url)),
    now: () => new Date(),
    signal: new AbortController().signal,
    report: {
      progress: ({ label, done }) => process.stdout.write(`${label} ${done}\n`),
      info: () => undefined,
      warn: () => undefined,
    },
    agentScript: '',
    region: 'us-east-1',
    ownerId: '000000000000',
  },
  { source, stdin: process.stdin, said: { name, architecture: 'x86_64' } },
);
