// Network interfaces of a machine that runs. A guest is asked to let a device go and may refuse; what the machine has
// is always asked of QEMU, so everything here can be done twice.
// A kernel without PCI hot-plug, like Debian's for armhf, sees a new device when it looks again (a reboot, or
// /sys/bus/pci/rescan), and never lets one go.
import { HostError } from '../../core/errors.ts';
import { waitUntil } from '../wait-until.ts';
import type { Nic } from './machine-spec.ts';
import { isPortId, nicBackend, nicBackendId, nicDevice, nicDeviceId } from './nic.ts';
import type { QmpConnection } from './qmp.ts';
import { withQmp, type MachinePaths } from './running-machine.ts';

/** A guest without ACPI takes 5 s before it lets go (PCI Express: attention button); a slow one takes more. */
const LET_GO_MS = 20_000;
/** When it is taken away in any case. */
const LET_GO_FORCED_MS = 5_000;
const DEVICE_TIMEOUT = 30_000;
/** QOM's folder of the devices that have names. */
const DEVICES = '/machine/peripheral';

/** The taps that a machine has network interfaces on. */
export async function pluggedTaps(paths: MachinePaths): Promise<ReadonlySet<string>> {
  return withQmp(paths, async (qmp) => {
    const prefix = nicDeviceId('');
    const names = (await deviceNames(qmp)).filter((name) => name.startsWith(prefix));
    return new Set(names.map((name) => name.slice(prefix.length)));
  });
}

/**
 * Plugs a network interface into a running machine, whose user may open the tap. Nothing to do when it is there.
 * Throws `NoFreePort` when all ports are taken, and `GuestKeepsInterface` when the guest still has the device of an
 * earlier time; a failure leaves the machine as it was.
 */
export async function plugNic(paths: MachinePaths, nic: Nic): Promise<void> {
  await withQmp(paths, async (qmp) => {
    const isThere = await hasDevice(qmp, nicDeviceId(nic.tap));
    if (isThere && (await hasBackend(qmp, nic))) return;
    if (isThere)
      throw new HostError(
        'GuestKeepsInterface',
        'the guest has not let the interface go since it was unplugged',
        {
          hint: 'bonami reboot',
        },
      );
    const bus = await freePort(qmp);
    // What an interrupted plug left may hold a tap of this name that is gone.
    await removeBackend(qmp, nic.tap);
    await qmp.execute('netdev_add', nicBackend(nic), DEVICE_TIMEOUT);
    try {
      await qmp.execute('device_add', nicDevice(nic, { bus }), DEVICE_TIMEOUT);
    } catch (error) {
      await removeBackend(qmp, nic.tap);
      throw error;
    }
  });
}

export interface UnplugOptions {
  /** Takes the interface's host end away even when the guest keeps the device, which is dead until it is reset. */
  readonly force?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks the guest to let a network interface go, waits, and frees its tap. Nothing to do when it is not there.
 * Throws `GuestKeepsInterface` when it has not let go in time, unless forced.
 */
export async function unplugNic(
  paths: MachinePaths,
  tap: string,
  { force = false, signal }: UnplugOptions = {},
): Promise<void> {
  await withQmp(paths, async (qmp) => {
    const isGone = await letGo(qmp, nicDeviceId(tap), {
      timeoutMs: force ? LET_GO_FORCED_MS : LET_GO_MS,
      signal,
    });
    if (!isGone && !force)
      throw new HostError(
        'GuestKeepsInterface',
        `the guest did not let the network interface go within ${LET_GO_MS / 1000} s`,
        { hint: '--force takes its network away all the same' },
      );
    await removeBackend(qmp, tap);
  });
}

/** Asks until the guest has let the device go; false when its time is over. */
async function letGo(
  qmp: QmpConnection,
  id: string,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined },
): Promise<boolean> {
  const gone = async (): Promise<true | undefined> => {
    if (!(await hasDevice(qmp, id))) return true;
    // Refused while an earlier request is under way, and while the guest is just changing the port.
    await qmp.execute('device_del', { id }, DEVICE_TIMEOUT).catch(ignoreRefusal);
    return undefined;
  };
  return (await waitUntil(gone, { timeoutMs, signal, pauseMs: 20, maxPauseMs: 500 })) ?? false;
}

/** Whether a device has its end on the host; QMP tells it only by refusing a second one of its name. */
async function hasBackend(qmp: QmpConnection, nic: Nic): Promise<boolean> {
  try {
    await qmp.execute('netdev_add', nicBackend(nic), DEVICE_TIMEOUT);
  } catch (error) {
    if (error instanceof HostError && /Duplicate ID/.test(error.message)) return true;
    ignoreRefusal(error);
  }
  await removeBackend(qmp, nic.tap);
  return false;
}

/** Absent is success. A device that is still there sees its cable pulled. */
async function removeBackend(qmp: QmpConnection, tap: string): Promise<void> {
  await qmp.execute('netdev_del', { id: nicBackendId(tap) }, DEVICE_TIMEOUT).catch(ignoreRefusal);
}

function ignoreRefusal(error: unknown): void {
  if (!(error instanceof HostError && error.code === 'QmpRefused')) throw error;
}

/** A port that has no device. Firmware that has not looked yet sees none of them, so QEMU is asked, not the bus. */
async function freePort(qmp: QmpConnection): Promise<string> {
  const names = await deviceNames(qmp);
  const taken = new Set<string | undefined>();
  for (const name of names) {
    const bus = (await qmp.execute('qom-get', {
      path: `${DEVICES}/${name}`,
      property: 'parent_bus',
    })) as string;
    taken.add(bus.split('/').at(-1));
  }
  const ports = names.filter(isPortId).toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const free = ports.find((port) => !taken.has(port));
  if (free === undefined)
    throw new HostError('NoFreePort', 'every port of the machine has a network interface', {
      hint: 'detach one, or stop and start the instance if one was detached by force',
    });
  return free;
}

async function hasDevice(qmp: QmpConnection, id: string): Promise<boolean> {
  return (await deviceNames(qmp)).includes(id);
}

async function deviceNames(qmp: QmpConnection): Promise<readonly string[]> {
  const properties = (await qmp.execute('qom-list', { path: DEVICES })) as readonly {
    readonly name: string;
    readonly type: string;
  }[];
  return properties.filter(({ type }) => type.startsWith('child<')).map(({ name }) => name);
}
