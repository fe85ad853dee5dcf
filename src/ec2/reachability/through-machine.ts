// By a route to an interface: to a machine that forwards for others.
import { aclStep } from './acl-step.ts';
import { drop, pass, type Step } from './explanation.ts';
import { groupStep } from './group-step.ts';
import type { Leg } from './interface-steps.ts';
import type { InterfacePlace } from './place.ts';
import type { Way } from './way.ts';

/** As far as that machine: what it does with it is not recorded anywhere. */
export function throughMachine(
  { from, address, traffic }: Leg,
  { plugged }: Extract<Way, { kind: 'machine' }>,
): readonly Step[] {
  const { networkInterface, instance, name } = plugged;
  const { networkInterfaceId: id, sourceDestCheck } = networkInterface;
  if (id === from.networkInterface.networkInterfaceId)
    return [drop('forwarding', `the route leads back to ${id}, which sent it`)];
  const subnet = from.records.subnets.find(({ subnetId }) => subnetId === networkInterface.subnetId);
  if (subnet === undefined) return [drop('destination', `the subnet of ${id} is gone`)];
  const machine: InterfacePlace = {
    kind: 'interface',
    records: from.records,
    subnet,
    networkInterface,
    instance,
    name,
    isPlugged: true,
    address: networkInterface.privateIpAddress,
    elastic: undefined,
    named: 'interface',
  };
  const isBorder = subnet.subnetId !== from.subnet.subnetId;
  return [
    ...(isBorder ? [aclStep(from, { direction: 'out', other: address, traffic, isAnswer: false })] : []),
    ...(isBorder
      ? [aclStep(machine, { direction: 'in', other: from.address, traffic, isAnswer: false })]
      : []),
    groupStep(machine, { direction: 'ingress', other: from.address, otherPlace: from, traffic }),
    forwardingStep(id, { sourceDestCheck, instanceId: instance.instanceId }),
  ];
}

interface Forwarder {
  readonly sourceDestCheck: boolean;
  readonly instanceId: string;
}

/** AWS: "Source/destination checking": with the check on an instance takes only what is for itself. */
function forwardingStep(id: string, { sourceDestCheck, instanceId }: Forwarder): Step {
  if (sourceDestCheck)
    return drop(
      'forwarding',
      `the source/dest check of ${id} is on, so ${instanceId} may not forward it`,
      `bonami eni set ${id} --source-dest-check off`,
    );
  return pass(
    'forwarding',
    `${instanceId} forwards it as it sees fit: ask again from ${instanceId} for what happens then`,
  );
}
