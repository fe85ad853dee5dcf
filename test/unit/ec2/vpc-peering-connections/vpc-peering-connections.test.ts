import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId, type ResourceId } from '../../../../src/core/ids.ts';
import { acceptVpcPeeringConnection } from '../../../../src/ec2/vpc-peering-connections/accept-vpc-peering-connection.ts';
import { createVpcPeeringConnection } from '../../../../src/ec2/vpc-peering-connections/create-vpc-peering-connection.ts';
import { deleteVpcPeeringConnection } from '../../../../src/ec2/vpc-peering-connections/delete-vpc-peering-connection.ts';
import { describeVpcPeeringConnections } from '../../../../src/ec2/vpc-peering-connections/describe-vpc-peering-connections.ts';
import { rejectVpcPeeringConnection } from '../../../../src/ec2/vpc-peering-connections/reject-vpc-peering-connection.ts';
import { vpcPeeringConnections } from '../../../../src/store/gateways.ts';
import { NetworkRecords, refusal } from '../../../support/network-records.ts';

let net: NetworkRecords;
let VpcId: ResourceId<'vpc'>;
let PeerVpcId: ResourceId<'vpc'>;
beforeEach(async () => {
  net = new NetworkRecords();
  VpcId = await net.vpc('10.0.0.0/16', { ipv6: true });
  PeerVpcId = await net.vpc('10.1.0.0/16');
});
afterEach(() => net[Symbol.dispose]());

const ask = (): string =>
  createVpcPeeringConnection(net.ctx, { VpcId, PeerVpcId }).VpcPeeringConnection?.VpcPeeringConnectionId ??
  '';

describe('a peering connection', () => {
  test('waits for its acceptance', async () => {
    const { VpcPeeringConnection } = createVpcPeeringConnection(net.ctx, { VpcId, PeerVpcId });
    expect(VpcPeeringConnection).toMatchObject({
      RequesterVpcInfo: {
        VpcId,
        CidrBlock: '10.0.0.0/16',
        CidrBlockSet: [{ CidrBlock: '10.0.0.0/16' }],
        Ipv6CidrBlockSet: [{ Ipv6CidrBlock: net.vpcRecord(VpcId).ipv6?.cidrBlock }],
        OwnerId: '000000000000',
        Region: 'us-east-1',
      },
      AccepterVpcInfo: { VpcId: PeerVpcId, CidrBlock: '10.1.0.0/16', Ipv6CidrBlockSet: [] },
      Status: { Code: 'pending-acceptance', Message: 'Pending Acceptance by 000000000000' },
      ExpirationTime: expect.any(Date),
    });
    const VpcPeeringConnectionId = VpcPeeringConnection?.VpcPeeringConnectionId ?? '';
    const accepted = await acceptVpcPeeringConnection(net.ctx, { VpcPeeringConnectionId });
    expect(accepted.VpcPeeringConnection).toMatchObject({ Status: { Code: 'active', Message: 'Active' } });
    expect(accepted.VpcPeeringConnection).not.toHaveProperty('ExpirationTime');
  });

  test('is accepted once, and then rejected no more', async () => {
    const VpcPeeringConnectionId = ask();
    await acceptVpcPeeringConnection(net.ctx, { VpcPeeringConnectionId });
    const wrongState = refusal('InvalidStateTransition', VpcPeeringConnectionId);
    await expect(acceptVpcPeeringConnection(net.ctx, { VpcPeeringConnectionId })).rejects.toThrow(wrongState);
    expect(() => rejectVpcPeeringConnection(net.ctx, { VpcPeeringConnectionId })).toThrow(wrongState);
  });

  test('is gone when it is rejected or deleted, and can be asked for again', async () => {
    const first = ask();
    expect(rejectVpcPeeringConnection(net.ctx, { VpcPeeringConnectionId: first })).toEqual({ Return: true });
    const second = ask();
    await acceptVpcPeeringConnection(net.ctx, { VpcPeeringConnectionId: second });
    await deleteVpcPeeringConnection(net.ctx, { VpcPeeringConnectionId: second });
    await deleteVpcPeeringConnection(net.ctx, { VpcPeeringConnectionId: ask() });
    expect(vpcPeeringConnections.list(net.db)).toEqual([]);
    for (const VpcPeeringConnectionId of [first, second])
      await expect(deleteVpcPeeringConnection(net.ctx, { VpcPeeringConnectionId })).rejects.toThrow(
        refusal('InvalidVpcPeeringConnectionID.NotFound'),
      );
  });

  test('is one for two VPCs, whoever asks', () => {
    const id = ask();
    expect(ask).toThrow(refusal('VpcPeeringConnectionAlreadyExists', id));
    expect(() => createVpcPeeringConnection(net.ctx, { VpcId: PeerVpcId, PeerVpcId: VpcId })).toThrow(
      refusal('VpcPeeringConnectionAlreadyExists', id),
    );
  });
});

test('overlapping VPCs are not joined, nor one with itself', async () => {
  for (const peer of [VpcId, await net.vpc('10.0.0.0/16'), await net.vpc('10.0.128.0/20')])
    expect(() => createVpcPeeringConnection(net.ctx, { VpcId, PeerVpcId: peer })).toThrow(
      refusal(
        'InvalidParameterValue',
        'Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range',
      ),
    );
});

test.each([
  [{ PeerVpcId: undefined }, 'MissingParameter'],
  [{ PeerRegion: 'eu-west-1' }, 'UnsupportedOperation'],
  [{ PeerOwnerId: '111111111111' }, 'UnsupportedOperation'],
  [{ PeerVpcId: newId('vpc') }, 'InvalidVpcID.NotFound'],
  [{ VpcId: 'vpc-x' }, 'InvalidVpcID.Malformed'],
  [{ DryRun: true }, 'DryRunOperation'],
])('%j answers %s', (change, code) => {
  expect(() => createVpcPeeringConnection(net.ctx, { VpcId, PeerVpcId, ...change })).toThrow(refusal(code));
  expect(vpcPeeringConnections.list(net.db)).toEqual([]);
});

test('connections are found by both ends and their state', async () => {
  const id = ask();
  const other = await net.vpc('10.9.0.0/16');
  const { VpcPeeringConnection } = createVpcPeeringConnection(net.ctx, { VpcId: other, PeerVpcId });
  await acceptVpcPeeringConnection(net.ctx, {
    VpcPeeringConnectionId: VpcPeeringConnection?.VpcPeeringConnectionId,
  });
  for (const [Name, value] of [
    ['requester-vpc-info.vpc-id', VpcId],
    ['requester-vpc-info.cidr-block', '10.0.0.0/16'],
    ['status-code', 'pending-acceptance'],
    ['vpc-peering-connection-id', id],
  ] as const) {
    const { VpcPeeringConnections = [] } = describeVpcPeeringConnections(net.ctx, {
      Filters: [{ Name, Values: [value] }],
    });
    expect({ [Name]: VpcPeeringConnections.map((each) => each.VpcPeeringConnectionId) }).toEqual({
      [Name]: [id],
    });
  }
  const both = describeVpcPeeringConnections(net.ctx, {
    Filters: [{ Name: 'accepter-vpc-info.vpc-id', Values: [PeerVpcId] }],
  });
  expect(both.VpcPeeringConnections).toHaveLength(2);
});
