// `bonami sg why`: a question in words, asked of the records, answered in EC2's manner.
import { addressAt } from '../../core/cidr.ts';
import { linkName } from '../../core/link-name.ts';
import { hostNetworks, UPLINK_POOL, UPLINK_PREFIX } from '../../host/link/uplink.ts';
import type { Vpc } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { ensureDefaultVpc } from '../vpcs/default-vpc.ts';
import { isReachableFromHost } from '../vpcs/network.ts';
import { explainPath } from './explain-path.ts';
import type { Stage, Step } from './explanation.ts';
import { placeText, type HostPlace, type Place } from './place.ts';
import { meansHost, resolvePlaces, type HostFacts, type Words } from './resolve-place.ts';
import { parseTraffic, trafficText } from './traffic.ts';

export interface DescribedPath {
  readonly Verdict: 'allowed' | 'dropped';
  readonly From: DescribedPlace;
  readonly To: DescribedPlace;
  readonly Traffic: string;
  /** Where it is dropped first. */
  readonly DroppedAt?: Stage;
  readonly Steps: readonly DescribedStep[];
}

export interface DescribedPlace {
  readonly Kind: Place['kind'];
  /** As sentences have it. */
  readonly Text: string;
  readonly Address?: string;
  readonly PublicIp?: string;
  readonly NetworkInterfaceId?: string;
  readonly InstanceId?: string;
  readonly SubnetId?: string;
  readonly VpcId?: string;
}

export interface DescribedStep {
  readonly Stage: Stage;
  readonly Verdict: Step['verdict'];
  readonly By: string;
  readonly Hint?: string;
}

/** Whether traffic gets from one place to another and back, and what decides it. */
export async function describePath(ctx: Ec2Context, words: Words): Promise<DescribedPath> {
  await ensureDefaultVpc(ctx);
  const { from, to, family } = resolvePlaces(ctx.db, words, await hostFacts(ctx, words));
  const traffic = parseTraffic(words.traffic, family);
  const { verdict, droppedBy, steps } = explainPath({ from, to, traffic });
  return {
    Verdict: verdict,
    From: describedPlace(from),
    To: describedPlace(to),
    Traffic: trafficText(traffic),
    ...(droppedBy === undefined ? {} : { DroppedAt: droppedBy.stage }),
    Steps: steps.map(({ stage, verdict: said, by, hint }) => ({
      Stage: stage,
      Verdict: said,
      By: by,
      ...(hint === undefined ? {} : { Hint: hint }),
    })),
  };
}

function describedPlace(place: Place): DescribedPlace {
  const shared = { Kind: place.kind, Text: placeText(place) };
  if (place.kind === 'gone') return { ...shared, InstanceId: place.instance.instanceId };
  if (place.kind === 'elastic') return { ...shared, PublicIp: place.elastic.publicIp };
  const address = place.address === undefined ? {} : { Address: place.address };
  if (place.kind !== 'interface')
    return { ...shared, ...address, ...('records' in place ? { VpcId: place.records.vpc.vpcId } : {}) };
  const { elastic, instance, networkInterface, subnet } = place;
  return {
    ...shared,
    ...address,
    ...(elastic === undefined ? {} : { PublicIp: elastic.publicIp }),
    ...(instance === undefined ? {} : { InstanceId: instance.instanceId }),
    NetworkInterfaceId: networkInterface.networkInterfaceId,
    SubnetId: subnet.subnetId,
    VpcId: subnet.vpcId,
  };
}

/** The host as a VPC sees it: its end of the uplink, or any address of their range while there is none. */
async function hostFacts(ctx: Ec2Context, words: Words): Promise<HostFacts> {
  const { ground } = ctx;
  const isAsked = [words.from, words.to].some(meansHost);
  const networks = isAsked && !ground.isRootless ? await hostNetworks(ground.namespace) : [];
  return (vpc: Vpc | undefined): HostPlace => {
    const link = vpc === undefined ? undefined : linkName(UPLINK_PREFIX, vpc.vpcId);
    const uplink = networks.find(({ device, kind }) => device === link && kind === 'address');
    return {
      kind: 'host',
      address: uplink === undefined ? firstOf(UPLINK_POOL) : addressAt(uplink.cidr, 1),
      reachesPrivate: vpc !== undefined && isReachableFromHost(ctx, vpc.vpcId),
      reachesElastic: !ground.isRootless,
    };
  };
}

/** The host's end of the first uplink that a pool has. */
function firstOf(pool: string): string {
  return (pool.split('/')[0] ?? '').replace(/\.\d+$/, '.1');
}
