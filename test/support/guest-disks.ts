// Words for the tiny guest's shell, about its disks.
import { volumeSerial } from '../../src/ec2/instances/machine-spec.ts';

const BLOCK = 512;

/** Stands for the guest's disk of this serial number, like /dev/vdb. */
export function diskBySerial(serial: string): string {
  const files = '/sys/block/*/serial /sys/block/*/device/serial';
  return `$(grep -lx '${serial} *' ${files} 2>/dev/null | cut -d / -f 4 | sed 's,^,/dev/,')`;
}

/** Stands for the guest's disk of a volume. */
export function diskOf(volumeId: string): string {
  return diskBySerial(volumeSerial(volumeId));
}

/** Writes a line of text to a block of a disk, so that it is on the disk when the command ends. */
export function putText(disk: string, block: number, text: string): string {
  return `echo "${text}" | dd of=${disk} bs=${BLOCK} seek=${block} conv=notrunc,sync,fsync 2>/dev/null`;
}

/** Prints the line of text in a block of a disk; an empty line for a block that has none. */
export function getText(disk: string, block: number): string {
  return `dd if=${disk} bs=${BLOCK} skip=${block} count=1 2>/dev/null | tr -d '\\0' | grep . || echo`;
}

/** Prints the seconds that a command takes. */
export function secondsOf(command: string): string {
  const uptime = '$(cut -d " " -f 1 /proc/uptime)';
  return `begin=${uptime}; ${command} >/dev/null 2>&1; end=${uptime}; awk "BEGIN { print $end - $begin }"`;
}
