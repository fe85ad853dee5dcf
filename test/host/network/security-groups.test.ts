import type { IpPermission } from '@aws-sdk/client-ec2';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { addressAt, parseCidr } from '../../../src/core/cidr.ts';
import type { SecurityGroupId } from '../../../src/core/ids.ts';
import {
  authorizeSecurityGroupEgress,
  authorizeSecurityGroupIngress,
} from '../../../src/ec2/security-groups/authorize-security-group-ingress.ts';
import {
  revokeSecurityGroupEgress,
  revokeSecurityGroupIngress,
} from '../../../src/ec2/security-groups/revoke-security-group-ingress.ts';
import { tool } from '../../support/guest-tool.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { PrivateCloud } from '../../support/private-cloud.ts';

let before: Snapshot;
let cloud: PrivateCloud;
let groups = 0;

beforeAll(async () => {
  before = await snapshot();
  cloud = await PrivateCloud.open();
});
afterEach(async () => cloud.unplugAll());
afterAll(async () => {
  await PrivateCloud.closeAll();
  await expectNoLeaks(before);
});

/** A new group that admits these. */
async function group(...permissions: readonly IpPermission[]): Promise<SecurityGroupId> {
  const groupId = await cloud.group(`group ${++groups}`);
  if (permissions.length > 0)
    await authorizeSecurityGroupIngress(cloud.home.ctx, { GroupId: groupId, IpPermissions: permissions });
  return groupId;
}

const tcp = (port: number, cidr: string): IpPermission => ({
  IpProtocol: 'tcp',
  FromPort: port,
  ToPort: port,
  IpRanges: [{ CidrIp: cidr }],
});
const EVERYWHERE = '0.0.0.0/0';
const ALL: IpPermission = { IpProtocol: '-1', IpRanges: [{ CidrIp: EVERYWHERE }] };

describe('between guests', () => {
  test('members of the default group reach each other, in one subnet and in two, as who they are', async () => {
    const server = await cloud.boot();
    await server.starts('serve', '7000');
    for (const subnet of [cloud.subnet(0), cloud.subnet(1)]) {
      const client = await cloud.boot({ subnet });
      expect(await client.connects(server.address, 7000)).toBe(`open ${client.address}`);
      expect(await client.pings(server.address)).toBe('answered');
    }
  });

  test('a group without rules admits nobody, not even its own members', async () => {
    const closed = await group();
    const server = await cloud.boot({ groups: [closed] });
    await server.starts('serve', '7000');
    for (const each of [closed, cloud.defaultGroup]) {
      const client = await cloud.boot({ groups: [each] });
      expect(await client.connects(server.address, 7000)).toBe('silent');
      expect(await client.pings(server.address)).toBe('silent');
    }
    const outsider = await cloud.boot({ subnet: cloud.subnet(1) });
    expect(await outsider.connects(server.address, 7000)).toBe('silent');
  });

  test('a rule admits its port only', async () => {
    const server = await cloud.boot({ groups: [await group(tcp(7001, EVERYWHERE))] });
    const client = await cloud.boot({ groups: [await group()] });
    await server.starts('serve', '7000');
    await server.starts('serve', '7001');
    expect(await client.connects(server.address, 7001)).toBe(`open ${client.address}`);
    expect(await client.connects(server.address, 7000)).toBe('silent');
    expect(await client.pings(server.address)).toBe('silent');
  });

  test('a rule admits its sources only', async () => {
    const friend = await cloud.boot({ groups: [await group()] });
    const stranger = await cloud.boot({ groups: [await group()] });
    const server = await cloud.boot({ groups: [await group(tcp(7000, `${friend.address}/32`))] });
    await server.starts('serve', '7000');
    expect(await friend.connects(server.address, 7000)).toBe(`open ${friend.address}`);
    expect(await stranger.connects(server.address, 7000)).toBe('silent');
  });

  test('a rule that names a group admits its members, as they come and go', async () => {
    const clients = await group();
    const server = await cloud.boot({
      groups: [
        await group({
          IpProtocol: 'tcp',
          FromPort: 7000,
          ToPort: 7000,
          UserIdGroupPairs: [{ GroupId: clients }],
        }),
      ],
    });
    await server.starts('serve', '7000');
    const address = addressAt(parseCidr(cloud.subnet().cidrBlock), 99);
    const member = await cloud.boot({ groups: [await group(), clients], address });
    expect(await member.connects(server.address, 7000)).toBe(`open ${address}`);
    await cloud.unplug(member);
    const successor = await cloud.boot({ groups: [await group()], address });
    expect(await successor.connects(server.address, 7000)).toBe('silent');
  });

  test('the rules of all groups of a guest are united', async () => {
    const server = await cloud.boot({
      groups: [await group(tcp(7000, EVERYWHERE)), await group(tcp(7001, EVERYWHERE))],
    });
    const client = await cloud.boot();
    for (const port of [7000, 7001]) {
      await server.starts('serve', String(port));
      expect(await client.connects(server.address, port)).toBe(`open ${client.address}`);
    }
  });

  test('what a guest may send is judged too', async () => {
    const mute = await group();
    await revokeSecurityGroupEgress(cloud.home.ctx, { GroupId: mute, IpPermissions: [ALL] });
    const server = await cloud.boot({ groups: [await group(ALL)] });
    const client = await cloud.boot({ groups: [mute] });
    await server.starts('serve', '7000');
    expect(await client.connects(server.address, 7000)).toBe('silent');
    await authorizeSecurityGroupEgress(cloud.home.ctx, {
      GroupId: mute,
      IpPermissions: [tcp(7000, `${server.address}/32`)],
    });
    expect(await client.connects(server.address, 7000)).toBe(`open ${client.address}`);
  });

  test('a flow goes on when its rule is taken away, and a new one is refused', async () => {
    const rule = tcp(7000, EVERYWHERE);
    const groupId = await group(rule);
    const server = await cloud.boot({ groups: [groupId] });
    const client = await cloud.boot({ groups: [await group()] });
    await server.starts('serve', '7000');
    const flow = await client.starts('talk', server.address, '7000');
    expect(await flow.ask('before')).toBe('before');
    await revokeSecurityGroupIngress(cloud.home.ctx, { GroupId: groupId, IpPermissions: [rule] });
    expect(await flow.ask('after')).toBe('after');
    expect(await client.connects(server.address, 7000)).toBe('silent');
  });

  test('an address that nobody has is silent', async () => {
    const client = await cloud.boot();
    const nobody = addressAt(parseCidr(cloud.subnet().cidrBlock), 4000);
    expect(await client.connects(nobody, 7000)).toBe('silent');
  });
});

describe('between the host and a guest', () => {
  test('the default group lets the host to port 22 and ICMP only', async () => {
    const guest = await cloud.boot();
    await guest.starts('serve', '22');
    await guest.starts('serve', '80');
    expect(await tool(undefined, 'connect', guest.address, '22')).toMatch(/^open 169\.254\./);
    expect(await tool(undefined, 'ping', guest.address)).toBe('answered');
    expect(await tool(undefined, 'connect', guest.address, '80')).toBe('silent');
  });

  test('a group without rules keeps the host out', async () => {
    const guest = await cloud.boot({ groups: [await group()] });
    await guest.starts('serve', '22');
    expect(await tool(undefined, 'connect', guest.address, '22')).toBe('silent');
    expect(await tool(undefined, 'ping', guest.address)).toBe('silent');
  });

  test('a guest reaches nothing on the host and on its router, but names and ping', async () => {
    const guest = await cloud.boot();
    const router = addressAt(parseCidr(cloud.subnet().cidrBlock), 1);
    for (const port of [22, 80, 111, 7000]) expect(await guest.connects(router, port)).toBe('silent');
    expect(await guest.pings(router)).toBe('answered');
  });
});
