// A process of an ordinary user's that works on the ground of a home: ground-child.ts HOME DO [ROUTER]
import { createNamespace, deleteNamespace } from '../../src/host/link/namespace.ts';
import { rootlessGround } from '../../src/host/ground/rootless.ts';
import { layoutOf, locate, prepareHome } from '../../src/store/layout.ts';

const [home = '', task = '', router = ''] = process.argv.slice(2);
process.umask(0o077);
const layout = layoutOf(locate({ ...process.env, BONAMI_HOME: home }));
prepareHome(layout);
const ground = rootlessGround(layout.ground);
switch (task) {
  case 'ensure':
    await ground.ensure(router);
    break;
  case 'stand':
    await ground.ensure(router);
    await createNamespace(ground.router(router));
    break;
  case 'fall':
    await deleteNamespace(ground.router(router));
    await ground.release(router);
    break;
  case 'repair':
    await ground.repair();
    break;
  case 'release':
    await ground.release(router);
    break;
}
process.stdout.write(
  JSON.stringify({ ground: ground.namespace, router: ground.router(router), resolvers: ground.resolvers() }),
);
