// What holds for either end of a path, and for each way between them.
import { drop, type Step } from './explanation.ts';
import type { GonePlace, InterfacePlace, Place } from './place.ts';
import type { Traffic } from './traffic.ts';

/** An interface that can speak and be spoken to. */
export type Speaker = InterfacePlace & { readonly isPlugged: true; readonly address: string };

export function isSpeaker(place: Place): place is Speaker {
  return place.kind === 'interface' && place.isPlugged && place.address !== undefined;
}

/** A way from an interface, for a packet that is sent to `address`. */
export interface Leg {
  readonly from: Speaker;
  readonly to: Place;
  readonly address: string;
  readonly traffic: Traffic;
}

/** Why nobody speaks or listens there. */
export function unpluggedStep(place: Place, stage: 'interface' | 'destination' = 'interface'): Step {
  if (place.kind === 'gone') return goneStep(place, stage);
  if (place.kind !== 'interface') return drop(stage, 'nobody is there');
  const { networkInterface, instance, isPlugged } = place;
  const id = networkInterface.networkInterfaceId;
  if (instance === undefined)
    return drop(stage, `${id} is attached to no instance`, `bonami eni attach ${id} INSTANCE`);
  if (!isPlugged)
    return drop(
      stage,
      `${instance.instanceId} is ${instance.state}, so its interface ${id} is not plugged`,
      instance.state === 'stopped' ? `bonami start ${instance.instanceId}` : undefined,
    );
  return drop(stage, `${id} has no IPv6 address`, `bonami eni assign ${id} --ipv6`);
}

function goneStep({ instance }: GonePlace, stage: 'interface' | 'destination'): Step {
  return drop(stage, `${instance.instanceId} is ${instance.state} and has no interface`);
}
