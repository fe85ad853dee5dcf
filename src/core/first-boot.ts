/**
 * What configures a guest at its first boot. `tiny` is the guest that bonami builds itself, `cirros-init` the scripts
 * of CirrOS, `nuageinit` FreeBSD's; `none` reads nothing.
 */
export const FIRST_BOOTS = ['cloud-init', 'tiny', 'ignition', 'cirros-init', 'nuageinit', 'none'] as const;
export type FirstBoot = (typeof FIRST_BOOTS)[number];
