// A process that exports an image of a home, for tests that kill it: export-child.ts HOME IMAGE DESTINATION FORMAT
import { exportImage, type ImageFormat } from '../../src/ec2/images/export-image.ts';
import { HOST_GROUND } from '../../src/host/ground.ts';
import { openDatabase } from '../../src/store/database.ts';
import { layoutOf, locate } from '../../src/store/layout.ts';

const [home = '', image = '', destination = '', format = ''] = process.argv.slice(2);
const layout = layoutOf(locate({ ...process.env, BONAMI_HOME: home }));
await exportImage(
  {
    db: openDatabase(layout.database),
    layout,
    ground: HOST_GROUND,
    catalog: '',
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
  { image, destination, format: format as ImageFormat, compress: false, replace: true },
);
