import { hostResolvers } from './ground/resolvers.ts';
import { namedNamespace, OWN_NAMESPACE, type NamedNamespace, type Namespace } from './link/namespace.ts';

/**
 * What private networks stand on: a namespace that plays the host's part for them. For root it is the host's own; an
 * ordinary user has one in a user namespace, with a program that passes traffic to the outside as that user.
 */
export interface Ground {
  /** Whether it is a user namespace of ours, cut off from the host's own addresses and links. */
  readonly isRootless: boolean;
  readonly namespace: Namespace;
  /** Held while an uplink is chosen: by all homes that share the namespace. */
  readonly uplinkLock: string;
  /** The namespace of a router that stands on it. To be asked again after `ensure`, which may make another ground. */
  router(name: string): NamedNamespace;
  /** Name servers that answer to what stands on it. */
  resolvers(): readonly string[];
  /**
   * Makes sure that it is there and has its way out. Cheap when it is. The router of that name, which the caller is
   * about to make or has made, keeps it from being taken away.
   */
  ensure(router: string): Promise<void>;
  /** Brings back what has died of a ground that is in use. Never makes one. Cheap when nothing has died. */
  repair(): Promise<void>;
  /** The router of that name is gone: takes the ground away when no other stands on it. Absent is success. */
  release(router: string): Promise<void>;
}

/** The host's own network. */
export const HOST_GROUND: Ground = {
  isRootless: false,
  namespace: OWN_NAMESPACE,
  uplinkLock: '/run/lock/bonami-uplink.lock',
  router: (name) => namedNamespace(name),
  resolvers: () => hostResolvers(),
  ensure: async () => undefined,
  repair: async () => undefined,
  release: async () => undefined,
};
