// Each place on the way where a packet can be dropped, and who is named for it.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { VpcPeeringConnectionId } from '../../../../src/core/ids.ts';
import type { Explanation, Stage } from '../../../../src/ec2/reachability/explanation.ts';
import type { SecurityGroup } from '../../../../src/store/security-groups.ts';
import type { Subnet, Vpc } from '../../../../src/store/vpcs.ts';
import { allowIn, allowOut, entry, RecordedWorld, type Machine } from './recorded-world.ts';

let world: RecordedWorld;
let vpc: Vpc;
let near: Subnet;
let far: Subnet;
let open: SecurityGroup;
let web: SecurityGroup;
let a: Machine;
let b: Machine;

beforeEach(() => {
  world = new RecordedWorld();
  vpc = world.vpc('10.0.0.0/16', { ipv6: 'fd00:1::/56' });
  near = world.subnet(vpc, '10.0.1.0/24', { ipv6: 'fd00:1:0:1::/64' });
  far = world.subnet(vpc, '10.0.2.0/24', { ipv6: 'fd00:1:0:2::/64' });
  open = world.group(vpc, 'open');
  world.setRules(open, [allowIn('all', '0.0.0.0/0'), allowIn('all', '::/0')]);
  web = world.group(vpc, 'web');
  a = world.machine(near, { groups: [open], name: 'a', ipv6: ['fd00:1:0:1::4'] });
  b = world.machine(near, { groups: [web], name: 'b', ipv6: ['fd00:1:0:1::5'] });
});
afterEach(() => world[Symbol.dispose]());

function expectDropped({ verdict, droppedBy }: Explanation, stage: Stage, by: string, hint?: string): void {
  expect({ verdict, ...droppedBy }).toMatchObject({
    verdict: 'drop',
    stage,
    by: expect.stringContaining(by),
    ...(hint === undefined ? {} : { hint }),
  });
}

function expectAllowed(found: Explanation): void {
  expect(found).toMatchObject({ verdict: 'allowed', droppedBy: undefined });
}

/** What is said of a stage. */
function said({ steps }: Explanation, stage: Stage): string | undefined {
  return steps.find((step) => step.stage === stage)?.by;
}

function stages({ steps }: Explanation): readonly Stage[] {
  return steps.map(({ stage }) => stage);
}

describe('groups', () => {
  test('of the receiver: without a rule nothing enters, and the hint makes one', () => {
    expectDropped(
      world.why('a', 'b'),
      'ingress',
      `no ingress rule of web (${web.groupId}) allows tcp/22 from ${a.address}`,
      `bonami sg authorize ${web.groupId} -p 22 --from ${a.address}/32`,
    );
  });

  test('the rule that allows is named, with its group and its description', () => {
    const rule = { ...allowIn('tcp/20-30', '10.0.0.0/8'), description: 'office' };
    world.setRules(web, [rule]);
    const found = world.why('a', 'b');
    expectAllowed(found);
    expect(said(found, 'ingress')).toBe(
      `${rule.securityGroupRuleId} of web (${web.groupId}): tcp/20-30 from 10.0.0.0/8 (office)`,
    );
    expectDropped(world.why('a', 'b', 'tcp/31'), 'ingress', 'allows tcp/31');
    expectDropped(
      world.why('a', 'b', 'udp/22'),
      'ingress',
      'allows udp/22',
      `bonami sg authorize ${web.groupId} --proto udp -p 22 --from ${a.address}/32`,
    );
  });

  test('of the sender: what leaves needs a rule as well', () => {
    world.setRules(open, [allowIn('all', '0.0.0.0/0'), allowOut('tcp/443', '0.0.0.0/0')], { keep: false });
    world.setRules(web, [allowIn('all', '0.0.0.0/0')]);
    expectDropped(
      world.why('a', 'b'),
      'egress',
      `no egress rule of open (${open.groupId}) allows tcp/22 to ${b.address}`,
      `bonami sg authorize ${open.groupId} -p 22 --to ${b.address}/32`,
    );
    expectAllowed(world.why('a', 'b', 'tcp/443'));
  });

  test('both ends are told, though the first one drops', () => {
    world.setRules(open, [], { keep: false });
    const drops = world.why('a', 'b').steps.filter(({ verdict }) => verdict === 'drop');
    expect(drops.map(({ stage }) => stage)).toEqual(['egress', 'ingress']);
  });

  test('a rule that names a group means its running members, by their private addresses', () => {
    world.setRules(web, [allowIn('tcp/22', open)]);
    expect(said(world.why('a', 'b'), 'ingress')).toContain(`tcp/22 from members of open (${open.groupId})`);
    const other = world.machine(near, { groups: [web], name: 'other' });
    expectDropped(world.why('other', 'b'), 'ingress', other.address);
  });

  test('a rule that names a prefix list means its blocks', () => {
    const list = world.prefixList('offices', ['192.0.2.0/24', '10.0.1.0/28']);
    world.setRules(web, [allowIn('tcp/22', list)]);
    expect(said(world.why('a', 'b'), 'ingress')).toContain('tcp/22 from prefix list offices (pl-');
  });

  test('ports that several rules allow together are allowed', () => {
    world.setRules(web, [allowIn('tcp/20-22', '0.0.0.0/0'), allowIn('tcp/23-25', '10.0.0.0/8')]);
    const found = world.why('a', 'b', 'tcp/21-24');
    expectAllowed(found);
    expect(said(found, 'ingress')?.match(/sgr-/g)).toHaveLength(2);
    expectDropped(world.why('a', 'b', 'tcp/21-26'), 'ingress', 'tcp/21-26');
  });

  test('all traffic needs a rule for all traffic', () => {
    world.setRules(web, [allowIn('tcp', '0.0.0.0/0'), allowIn('udp', '0.0.0.0/0')]);
    expectDropped(
      world.why('a', 'b', 'all'),
      'ingress',
      'allows all traffic',
      `bonami sg authorize ${web.groupId} --proto all --from ${a.address}/32`,
    );
    world.setRules(web, [allowIn('all', '0.0.0.0/0')]);
    expectAllowed(world.why('a', 'b', 'all'));
  });

  test.each([
    ['icmp', 'icmp', 'allowed'],
    ['icmp', 'icmp/8', 'allowed'],
    ['icmp', 'icmp/8/0', 'allowed'],
    ['icmp', 'icmp/8/1', 'dropped'],
    ['icmp', 'icmp/13', 'dropped'],
    ['icmp/8/1', 'icmp/8', 'allowed'],
    ['icmp/13/0', 'icmp', 'allowed'],
    ['proto/47', 'proto/47', 'allowed'],
    ['proto/47', 'proto/50', 'dropped'],
    ['proto/6', 'tcp', 'allowed'],
    ['proto/6', 'tcp/0-1023', 'dropped'],
    ['tcp', 'tcp/0-65535', 'allowed'],
  ])('%s by a rule for %s is %s', (traffic, allowed, verdict) => {
    world.setRules(web, [allowIn(allowed, '0.0.0.0/0')]);
    expect(world.why('a', 'b', traffic).verdict).toBe(verdict);
  });

  test('IPv6 is judged by IPv6 rules', () => {
    world.setRules(web, [allowIn('tcp/22', '0.0.0.0/0')]);
    const asked = { isIpv6: true };
    expectDropped(
      world.why('a', 'b', 'tcp/22', asked),
      'ingress',
      'from fd00:1:0:1::4',
      `bonami sg authorize ${web.groupId} -p 22 --from fd00:1:0:1::4/128`,
    );
    world.setRules(web, [allowIn('tcp/22', '::/0'), allowIn('icmpv6/128/0', '::/0')]);
    expectAllowed(world.why('a', 'b', 'tcp/22', asked));
    expectAllowed(world.why('fd00:1:0:1::4', 'b', 'icmp'));
    expectAllowed(world.why('a', 'b', 'icmpv6'));
  });
});

describe('an end', () => {
  test.each(['stopped', 'terminated', 'shutting-down', 'pending'] as const)('that is %s', (state) => {
    world.setRules(web, [allowIn('all', '0.0.0.0/0')]);
    world.setState(b, state);
    const found = world.why('a', b.instance.instanceId);
    if (state === 'pending' || state === 'shutting-down') expectAllowed(found);
    else
      expectDropped(
        found,
        'destination',
        `${b.instance.instanceId} is ${state}, so its interface ${b.networkInterface.networkInterfaceId} is not plugged`,
        ...(state === 'stopped' ? [`bonami start ${b.instance.instanceId}`] : []),
      );
  });

  test('that is stopped sends nothing', () => {
    world.setState(a, 'stopped');
    expectDropped(world.why('a', 'b'), 'interface', 'is stopped');
  });

  test('that is the other one: nothing leaves the instance', () => {
    const found = world.why('b', 'b');
    expectAllowed(found);
    expect(stages(found)).toEqual(['interface']);
  });

  test('without an address of the family', () => {
    world.machine(near, { groups: [open], name: 'old' });
    expectDropped(world.why('a', 'old', 'tcp/22', { isIpv6: true }), 'interface', 'has no IPv6 address');
    expectDropped(world.why('old', 'a', 'tcp/22', { isIpv6: true }), 'interface', 'has no IPv6 address');
  });

  test('that nobody is', () => {
    expectDropped(world.why('a', '10.0.1.99'), 'destination', 'no interface of');
    expectDropped(world.why('a', '10.0.200.1'), 'destination', 'no interface of');
    expectDropped(world.why('10.0.1.99', 'a'), 'guard', 'no interface has 10.0.1.99');
    expectDropped(world.why('a', '169.254.1.1'), 'destination', 'nobody answers at 169.254.1.1');
  });

  test('that is a secondary address, or an interface', () => {
    const c = world.machine(near, { groups: [open], secondary: ['10.0.1.50'] });
    expectAllowed(world.why('a', '10.0.1.50'));
    expectAllowed(world.why('10.0.1.50', c.networkInterface.networkInterfaceId));
    expectAllowed(world.why(a.networkInterface.networkInterfaceId.slice(0, 12), '10.0.1.50/32'));
  });

  test('speaks with its own address, which is said with its source/dest check', () => {
    expect(said(world.why('a', 'b'), 'guard')).toBe(
      `${a.networkInterface.networkInterfaceId} speaks with its own address ${a.address} (source/dest check on)`,
    );
  });
});

test('what begins no conversation is dropped, whatever is allowed', () => {
  world.setRules(web, [allowIn('all', '0.0.0.0/0'), allowIn('all', '::/0')]);
  expectDropped(world.why('a', 'b', 'icmp/3/4'), 'tracking', 'icmp/3/4 begins no conversation');
  expectDropped(world.why('a', 'b', 'icmp/0/0'), 'tracking', 'icmp/0/0');
  expectDropped(world.why('a', 'b', 'icmpv6/129'), 'tracking', 'icmpv6/129/0');
});

describe('network ACLs', () => {
  let c: Machine;
  beforeEach(() => {
    c = world.machine(far, { groups: [open], name: 'c' });
  });

  test('are not asked within a subnet', () => {
    world.setRules(web, [allowIn('all', '0.0.0.0/0')]);
    world.acl(near, []);
    expect(stages(world.why('a', 'b'))).toEqual(['guard', 'egress', 'route', 'ingress']);
    expectAllowed(world.why('a', 'b'));
  });

  test('between subnets: both ways, out and in', () => {
    const found = world.why('a', 'c');
    expectAllowed(found);
    expect(stages(found)).toEqual([
      ...['guard', 'egress', 'route', 'acl-out', 'acl-in', 'ingress', 'answer-acl-out', 'answer-acl-in'],
    ]);
    expect(said(found, 'acl-out')).toContain(
      ` (default) of ${near.subnetId}: entry 100 allows everything to 0.0.0.0/0`,
    );
  });

  test('the first entry that matches decides, and the hint comes before it', () => {
    const id = world.acl(far, [
      entry(100, 'allow', 'in', 'tcp/22', '192.0.2.0/24'),
      entry(120, 'deny', 'in', 'tcp/20-30', '10.0.1.0/24'),
      entry(119, 'deny', 'in', 'udp', '10.0.1.0/24'),
      entry(130, 'allow', 'in', 'all'),
      entry(100, 'allow', 'out', 'all'),
    ]);
    expectDropped(
      world.why('a', 'c'),
      'acl-in',
      `${id} of ${far.subnetId}: entry 120 denies tcp/20-30 from 10.0.1.0/24: tcp/22 from ${a.address}`,
      `bonami acl add ${id} 118 allow -p 22 --cidr ${a.address}/32`,
    );
    expectAllowed(world.why('a', 'c', 'tcp/31'));
  });

  test('what no entry decides is denied', () => {
    const id = world.acl(near, [entry(100, 'allow', 'in', 'all')]);
    expectDropped(
      world.why('a', 'c', 'udp/53'),
      'acl-out',
      `no entry allows udp/53 to ${c.address}`,
      `bonami acl add ${id} 100 allow --proto udp -p 53 --egress --cidr ${c.address}/32`,
    );
  });

  test('remember nothing: answers go to the ports of the client', () => {
    const entries = [entry(100, 'allow', 'in', 'tcp/22'), entry(200, 'allow', 'out', 'tcp/80')];
    const id = world.acl(far, entries);
    expectDropped(
      world.why('a', 'c'),
      'answer-acl-out',
      `no entry allows tcp/1024-65535 to ${a.address}`,
      `bonami acl add ${id} 300 allow -p 1024-65535 --egress --cidr ${a.address}/32`,
    );
  });

  test('that let the ports of Linux pass do, and say so', () => {
    world.acl(near, [entry(100, 'allow', 'out', 'all'), entry(100, 'allow', 'in', 'tcp/32768-65535')]);
    const found = world.why('a', 'c');
    expectAllowed(found);
    expect(said(found, 'answer-acl-in')).toContain('the ports 32768-60999 of Linux, not all of 1024-65535');
  });

  test('that let a part of those ports pass do not', () => {
    world.acl(near, [
      entry(100, 'allow', 'out', 'all'),
      entry(90, 'deny', 'in', 'tcp/40000'),
      entry(100, 'allow', 'in', 'tcp/1024-65535'),
    ]);
    expectDropped(world.why('a', 'c'), 'answer-acl-in', 'entry 90 denies tcp/40000 from 0.0.0.0/0');
  });

  test('answers to pings are pongs', () => {
    world.acl(far, [entry(100, 'allow', 'in', 'icmp/8'), entry(100, 'allow', 'out', 'icmp/0')]);
    expectAllowed(world.why('a', 'c', 'icmp'));
    expectDropped(world.why('c', 'a', 'icmp'), 'acl-out', 'no entry allows icmp/8/0');
  });

  test('judge IPv6 by IPv6 entries', () => {
    const d = world.machine(far, { groups: [open], ipv6: ['fd00:1:0:2::9'] });
    world.acl(far, [entry(100, 'allow', 'in', 'all'), entry(100, 'allow', 'out', 'all')]);
    expectAllowed(world.why('a', d.address));
    expectDropped(world.why('a', 'fd00:1:0:2::9'), 'acl-in', 'no entry allows tcp/22 from fd00:1:0:1::4');
  });
});

describe('to another VPC', () => {
  let shop: Vpc;
  let shelf: Subnet;
  let c: Machine;
  let shopOpen: SecurityGroup;
  beforeEach(() => {
    shop = world.vpc('10.1.0.0/16');
    shelf = world.subnet(shop, '10.1.1.0/24');
    shopOpen = world.group(shop, 'shop open');
    world.setRules(shopOpen, [allowIn('all', '0.0.0.0/0')]);
    c = world.machine(shelf, { groups: [shopOpen], name: 'c' });
  });
  const joined = (status: 'active' | 'pending-acceptance' = 'active'): VpcPeeringConnectionId => {
    const id = world.peering(vpc, shop, status);
    world.routes(near, { '10.1.0.0/16': { kind: 'vpcPeeringConnection', id } });
    world.routes(shelf, { '10.0.0.0/16': { kind: 'vpcPeeringConnection', id } });
    return id;
  };

  test('without a peering there is no route', () => {
    const hint = `bonami peering create ${vpc.vpcId} ${shop.vpcId}`;
    expectDropped(world.why('a', 'c'), 'route', `no route to ${c.address}`, hint);
    // A way out leads to no private address either.
    world.routes(near, { '0.0.0.0/0': { kind: 'internetGateway', id: world.gateway(vpc) } });
    expectDropped(world.why('a', 'c'), 'host', 'is reached by a peering only', hint);
  });

  test('by a peering, with both routes', () => {
    const id = joined();
    const found = world.why('a', 'c');
    expectAllowed(found);
    expect(stages(found)).toEqual([
      ...['guard', 'egress', 'route', 'acl-out', 'peering', 'acl-in', 'ingress'],
      ...['answer-route', 'answer-acl-out', 'answer-acl-in'],
    ]);
    expect(said(found, 'peering')).toBe(`${id} leads to ${shop.vpcId}`);
    expectAllowed(world.why('c', 'a'));
  });

  test('a peering without a route here, or back', () => {
    const id = world.peering(vpc, shop);
    const table = world.routes(near, {});
    expectDropped(world.why('a', 'c'), 'route', 'no route', `bonami route add ${table} 10.1.0.0/16 ${id}`);
    world.routes(near, { '10.1.0.0/16': { kind: 'vpcPeeringConnection', id } });
    const back = world.routes(shelf, {});
    expectDropped(
      world.why('a', 'c'),
      'answer-route',
      `no route to ${a.address}`,
      `bonami route add ${back} 10.0.0.0/16 ${id}`,
    );
  });

  test('answers that leave by another way do not come back', () => {
    joined();
    world.routes(shelf, { '0.0.0.0/0': { kind: 'internetGateway', id: world.gateway(shop) } });
    expectDropped(world.why('a', 'c'), 'answer-route', 'which is not the way back by pcx-');
  });

  test('a peering that is pending is a blackhole', () => {
    joined('pending-acceptance');
    expectDropped(world.why('a', 'c'), 'route', 'is a blackhole: the peering is not active');
  });

  test('a peering leads no further', () => {
    const id = joined();
    world.routes(near, { '0.0.0.0/0': { kind: 'vpcPeeringConnection', id } });
    expectDropped(world.why('a', '198.51.100.1'), 'peering', 'and no further');
    expectDropped(world.why('a', '10.1.9.9'), 'destination', 'no interface of');
    expectDropped(world.why('a', '10.1.1.1', 'icmp'), 'service', 'its own VPC only');
  });

  test('a group of the peered VPC can be named', () => {
    joined();
    world.setRules(shopOpen, [allowIn('tcp/22', open)], { keep: false });
    expectAllowed(world.why('a', 'c'));
    const other = world.machine(near, { groups: [web] });
    expectDropped(world.why(other.address, 'c'), 'ingress', `from ${other.address}`);
  });

  test('with the same block: what has an address there stays here', () => {
    const twin = world.vpc('10.0.0.0/16');
    const group = world.group(twin, 'twin');
    world.machine(world.subnet(twin, '10.0.1.0/24'), { groups: [group], name: 'twin', address: b.address });
    expectDropped(
      world.why('a', 'twin'),
      'destination',
      `${b.address} is in ${vpc.vpcId}'s own block 10.0.0.0/16, so it leaves for no other: it reaches ${b.networkInterface.networkInterfaceId} instead`,
    );
    // By its address alone it is the one that the sender can mean.
    expectDropped(world.why('a', b.address), 'ingress', 'web');
    expect(() => world.why('internet', b.address)).toThrow(/could be of vpc-\w+ or vpc-/);
  });

  test('by an elastic address, seen as the sender’s own, its NAT gateway’s or nobody’s', () => {
    world.elastic('203.0.113.9', c.networkInterface);
    const gateway = world.gateway(vpc);
    world.routes(near, { '0.0.0.0/0': { kind: 'internetGateway', id: gateway } });
    expectDropped(world.why('a', '203.0.113.9'), 'answer-route', 'no route to 192.0.0.8');
    world.routes(shelf, { '0.0.0.0/0': { kind: 'internetGateway', id: world.gateway(shop) } });
    const stranger = world.why('a', '203.0.113.9');
    expectAllowed(stranger);
    expect(said(stranger, 'translation')).toContain(
      `is ${c.address} of ${shop.vpcId}; the sender is seen as 192.0.0.8`,
    );
    world.elastic('203.0.113.5', a.networkInterface);
    expect(said(world.why('a', '203.0.113.9'), 'translation')).toContain('the sender is seen as 203.0.113.5');
    world.setRules(shopOpen, [allowIn('tcp/22', '203.0.113.5/32')], { keep: false });
    expectAllowed(world.why('a', '203.0.113.9'));
    world.routes(far, { '0.0.0.0/0': { kind: 'internetGateway', id: gateway } });
    world.routes(near, { '0.0.0.0/0': { kind: 'natGateway', id: world.nat(far, '203.0.113.200') } });
    expectDropped(world.why('a', '203.0.113.9'), 'ingress', 'from 203.0.113.200');
    world.setState(c, 'stopped');
    expectDropped(world.why('a', '203.0.113.9'), 'destination', 'is not plugged');
  });
});

describe('out of the VPC', () => {
  test('needs a route, and a gateway first', () => {
    expectDropped(
      world.why('a', 'internet'),
      'route',
      'no route to 192.0.2.1',
      `bonami igw create --vpc ${vpc.vpcId}`,
    );
    const id = world.gateway(vpc);
    expect(world.why('a', '198.51.100.1').droppedBy?.hint).toBe(
      `bonami route add ${vpc.mainRouteTable.routeTableId} 0.0.0.0/0 ${id}`,
    );
  });

  test('by an internet gateway, with an address of its own or of the host', () => {
    const id = world.gateway(vpc);
    const table = world.routes(near, { '0.0.0.0/0': { kind: 'internetGateway', id } });
    const found = world.why('a', 'internet', 'tcp/443');
    expectAllowed(found);
    expect(stages(found)).toEqual([
      'guard',
      'egress',
      'route',
      'acl-out',
      'gateway',
      'host',
      'answer-acl-in',
    ]);
    expect(said(found, 'route')).toBe(`${table}: 0.0.0.0/0 to ${id}`);
    expect(said(found, 'gateway')).toBe(`${id} passes it on with the host's own address`);
    world.elastic('203.0.113.5', a.networkInterface);
    expect(said(world.why('a', 'internet'), 'gateway')).toContain('the address 203.0.113.5');
  });

  test('by a gateway that is not attached here', () => {
    world.routes(near, { '0.0.0.0/0': { kind: 'internetGateway', id: world.gateway(undefined) } });
    expectDropped(world.why('a', 'internet'), 'route', 'is a blackhole: it is not attached to this VPC');
  });

  test('by a NAT gateway, which needs a way out itself', () => {
    const nat = world.nat(far, '203.0.113.200');
    world.routes(near, { '0.0.0.0/0': { kind: 'natGateway', id: nat } });
    expectDropped(world.why('a', 'internet'), 'route', 'its subnet has no route to an internet gateway');
    world.routes(far, { '0.0.0.0/0': { kind: 'internetGateway', id: world.gateway(vpc) } });
    const found = world.why('a', 'internet');
    expectAllowed(found);
    expect(said(found, 'gateway')).toBe(`${nat} passes it on with the address 203.0.113.200`);
    expectDropped(world.why('a', '203.0.113.200'), 'destination', `is of ${nat}, which takes answers only`);
  });

  test('IPv6 stays between instances', () => {
    world.routes(near, { '::/0': { kind: 'internetGateway', id: world.gateway(vpc) } });
    expectDropped(world.why('a', '2001:db8::1'), 'route', 'IPv6 leads to instances only');
  });

  test('through a machine that forwards, and may', () => {
    const group = world.group(vpc, 'routers');
    const router = world.machine(far, { groups: [group], name: 'router' });
    const id = router.networkInterface.networkInterfaceId;
    world.routes(near, { '198.51.100.0/24': { kind: 'networkInterface', id } });
    expectDropped(world.why('a', '198.51.100.1'), 'ingress', 'no ingress rule of routers');
    world.setRules(group, [allowIn('all', '10.0.0.0/16')]);
    expectDropped(
      world.why('a', '198.51.100.1'),
      'forwarding',
      `the source/dest check of ${id} is on`,
      `bonami eni set ${id} --source-dest-check off`,
    );
    world.setState(router, 'stopped');
    expectDropped(world.why('a', '198.51.100.1'), 'route', 'no running instance has the interface');
    const other = world.machine(far, { groups: [group], sourceDestCheck: false });
    world.routes(near, {
      '198.51.100.0/24': { kind: 'networkInterface', id: other.networkInterface.networkInterfaceId },
    });
    const found = world.why('a', '198.51.100.1');
    expectAllowed(found);
    expect(stages(found)).toEqual(['guard', 'egress', 'route', 'acl-out', 'acl-in', 'ingress', 'forwarding']);
    world.routes(near, {
      '198.51.100.0/24': { kind: 'networkInterface', id: a.networkInterface.networkInterfaceId },
    });
    expectDropped(world.why('a', '198.51.100.1'), 'forwarding', 'leads back to');
  });

  test('the longest block decides', () => {
    const id = world.gateway(vpc);
    world.routes(near, {
      '0.0.0.0/0': { kind: 'internetGateway', id },
      '198.51.100.0/24': { kind: 'natGateway', id: world.nat(near, '203.0.113.200') },
      '10.0.0.0/8': { kind: 'internetGateway', id },
    });
    expect(said(world.why('a', '198.51.100.1'), 'route')).toContain('198.51.100.0/24 to nat-');
    expect(said(world.why('a', 'b'), 'route')).toContain('10.0.0.0/16 is local');
  });
});

describe('an elastic address', () => {
  test('of a neighbour is judged as the private one', () => {
    const { allocationId } = world.elastic('203.0.113.9', b.networkInterface);
    world.setRules(web, [allowIn('tcp/22', `${a.address}/32`)]);
    const found = world.why('a', '203.0.113.9');
    expectAllowed(found);
    expect(stages(found)).toEqual(['guard', 'translation', 'egress', 'route', 'ingress']);
    expect(said(found, 'translation')).toContain(`203.0.113.9 (${allocationId}) is ${b.address}`);
    expectAllowed(world.why('a', allocationId));
  });

  test('of its own leads out and in again, where the groups judge it', () => {
    world.elastic('203.0.113.9', b.networkInterface);
    expectDropped(world.why('b', '203.0.113.9'), 'ingress', `from ${b.address}`);
  });

  test('of nobody', () => {
    world.elastic('203.0.113.9', undefined);
    world.routes(near, { '0.0.0.0/0': { kind: 'internetGateway', id: world.gateway(vpc) } });
    expectDropped(world.why('a', '203.0.113.9'), 'destination', 'is associated with nothing');
    expectDropped(world.why('internet', '203.0.113.9'), 'destination', 'leads to no instance');
    expectDropped(world.why('203.0.113.9', 'a'), 'guard', 'nobody speaks with it');
  });
});

describe('from outside', () => {
  test('a private address is known to nobody', () => {
    expectDropped(
      world.why('internet', 'a'),
      'gateway',
      'it has no elastic address',
      `bonami eip associate ADDRESS ${a.networkInterface.networkInterfaceId}`,
    );
    expectDropped(world.why('198.51.100.1', '10.0.1.99'), 'gateway', 'nobody outside knows the way');
    world.elastic('203.0.113.9', a.networkInterface, { reach: 'lan' });
    expectDropped(
      world.why('internet', a.address),
      'gateway',
      'reached as 203.0.113.9',
      'bonami sg why internet 203.0.113.9',
    );
  });

  test('an elastic address that only this host knows', () => {
    world.elastic('203.0.113.9', a.networkInterface);
    expectDropped(world.why('internet', 'a'), 'gateway', 'is known on this host only');
  });

  test('an elastic address of the host’s network, with a rule and a route back', () => {
    world.elastic('192.168.1.240', b.networkInterface, { reach: 'lan' });
    expectDropped(
      world.why('internet', 'b'),
      'ingress',
      'from 192.0.2.1',
      `bonami sg authorize ${web.groupId} -p 22 --from 0.0.0.0/0`,
    );
    world.setRules(web, [allowIn('tcp/22', '0.0.0.0/0')]);
    expectDropped(world.why('internet', 'b'), 'answer-route', 'no route to 192.0.2.1');
    world.routes(near, { '0.0.0.0/0': { kind: 'internetGateway', id: world.gateway(vpc) } });
    const found = world.why('internet', 'b');
    expectAllowed(found);
    expect(stages(found)).toEqual([
      'gateway',
      'translation',
      'acl-in',
      'ingress',
      'answer-route',
      'answer-acl-out',
    ]);
    world.setRules(web, [allowIn('tcp/22', '198.51.100.0/24')], { keep: false });
    expectDropped(world.why('internet', 'b'), 'ingress', 'from 192.0.2.1');
    expectAllowed(world.why('198.51.100.1', '192.168.1.240'));
  });
});

describe('this host', () => {
  test('arrives from its end of the uplink', () => {
    expectDropped(
      world.why('host', 'b'),
      'ingress',
      'from 169.254.96.5',
      `bonami sg authorize ${web.groupId} -p 22 --from 169.254.96.0/20`,
    );
    world.setRules(web, [allowIn('tcp/22', '169.254.96.0/20')]);
    const found = world.why('host', 'b');
    expectAllowed(found);
    expect(stages(found)).toEqual(['host', 'acl-in', 'ingress', 'answer-acl-out']);
    expectAllowed(world.why('169.254.97.1', b.address));
  });

  test('without a route to private addresses', () => {
    const host = { reachesPrivate: false };
    expectDropped(
      world.why('host', 'a', 'tcp/22', { host }),
      'host',
      'no route to the private addresses',
      `bonami ssh ${a.instance.instanceId}`,
    );
    expectDropped(
      world.why('host', 'a', 'tcp/22', { isIpv6: true }),
      'host',
      'no route to the IPv6 addresses',
    );
    world.elastic('203.0.113.9', a.networkInterface);
    expectAllowed(world.why('host', '203.0.113.9', 'tcp/22', { host }));
    expectDropped(
      world.why('host', '203.0.113.9', 'tcp/22', { host: { ...host, reachesElastic: false } }),
      'host',
      'without root this host has no way to 203.0.113.9',
    );
  });

  test('calls an address of its own with that address', () => {
    world.elastic('192.168.1.5', b.networkInterface, { reach: 'own', carrierIp: '203.0.113.250' });
    world.setRules(web, [allowIn('tcp/22', '169.254.96.0/20')]);
    expectDropped(world.why('host', '192.168.1.5'), 'ingress', 'from 192.168.1.5');
  });

  test('takes nothing from instances', () => {
    expectDropped(world.why('a', 'host'), 'host', 'takes nothing from instances but answers');
  });

  test('reaches the router by pings only', () => {
    expectAllowed(world.why('host', '10.0.1.1', 'icmp'));
    expectDropped(world.why('host', '10.0.0.2', 'udp/53'), 'service', 'does not answer udp/53');
    expectDropped(world.why('host', '10.0.1.99'), 'destination', 'no interface of');
  });
});

describe('services of the VPC', () => {
  beforeEach(() => world.setRules(open, [], { keep: false }));

  test.each([
    ['169.254.169.254', 'tcp/80', 'allowed'],
    ['169.254.169.254', 'tcp/443', 'dropped'],
    ['169.254.169.253', 'udp/53', 'allowed'],
    ['169.254.169.253', 'tcp/53', 'allowed'],
    ['10.0.0.2', 'udp/53', 'allowed'],
    ['10.0.0.2', 'tcp/80', 'dropped'],
    ['10.0.1.1', 'udp/67', 'allowed'],
    ['10.0.2.1', 'icmp', 'allowed'],
    ['10.0.1.1', 'tcp/22', 'dropped'],
    ['fd00:1:0:1::1', 'icmp', 'allowed'],
    ['fd00:1:0:1::1', 'udp/547', 'allowed'],
  ] as const)('%s %s is %s, whatever groups say', (address, traffic, verdict) => {
    const found = world.why('a', address, traffic);
    expect(found.verdict).toBe(verdict);
    expect(stages(found)).toEqual(['guard', 'service']);
  });

  test('the metadata service answers instances', () => {
    expect(() => world.why('internet', '169.254.169.254', 'tcp/80')).toThrow(/service of every VPC/);
    expectDropped(world.why('169.254.169.253', 'a'), 'service', 'and never begins');
  });
});

describe('words', () => {
  test.each([
    'ssh',
    'tcp/',
    'tcp/70000',
    'tcp/30-20',
    'icmp/300',
    'icmp/8/0/0',
    '22',
    'udp/53/1',
    'all/1',
    'proto/256',
  ])('%s is no traffic', (word) => {
    expect(() => world.why('a', 'b', word)).toThrow(
      expect.objectContaining({ code: 'Usage', message: `'${word}' is no traffic` }),
    );
  });

  test('of both families are no question', () => {
    expect(() => world.why('10.0.1.4', 'fd00:1:0:1::5')).toThrow(/IPv4 or about IPv6/);
    expect(() => world.why('10.0.1.4', 'b', 'icmpv6')).toThrow(/IPv4 or about IPv6/);
    expect(() => world.why('a', 'b', 'icmp/8', { isIpv6: true })).toThrow(/IPv4 or about IPv6/);
  });

  test('that nobody is called by', () => {
    expect(() => world.why('a', 'nobody')).toThrow(
      expect.objectContaining({ code: 'InvalidInstanceID.NotFound' }),
    );
    expect(() => world.why('a', 'eni-0123456789abcdef0')).toThrow(
      expect.objectContaining({ code: 'InvalidNetworkInterfaceID.NotFound' }),
    );
  });
});
