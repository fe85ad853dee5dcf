// A home whose kernel has no IPv6, in a mount namespace that hides it: prints how an IPv4 guest fares, and what is said
// of a VPC with an IPv6 block.
import { World } from './world.ts';

async function attempt(world: World, ipv6: boolean): Promise<unknown> {
  const vpc = await world.vpc('10.60.0.0/16', { ipv6 });
  const block = world.record(vpc).ipv6?.cidrBlock.replace('/56', '/64');
  const subnet = await world.subnet(vpc, '10.60.1.0/24', block);
  const guest = await world.boot({ subnet, groups: [await world.openGroup(vpc)] });
  return {
    router: await guest.pings('10.60.1.1'),
    names: await guest.dns('10.60.0.2', 'ip-10-60-1-4.ec2.internal'),
  };
}

const world = new World();
try {
  const ipv4 = await attempt(world, false);
  const ipv6 = await attempt(world, true).catch((error: unknown) => error);
  const { name, message, hint } = ipv6 as { name?: string; message?: string; hint?: string };
  process.stdout.write(JSON.stringify({ ipv4, ipv6: { name, message, hint } }));
} finally {
  await world.close();
}
