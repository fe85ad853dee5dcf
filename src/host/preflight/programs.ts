// What is installed.
import { hostArchitecture, type Architecture } from '../../core/architecture.ts';
import { messageOf } from '../../core/errors.ts';
import { commandPath, installHint, run } from '../command.ts';
import { findFirmware } from '../qemu/firmware.ts';
import { MACHINE_TABLE } from '../qemu/machine-table.ts';
import type { Finding } from './finding.ts';

const OLDEST_QEMU = [7, 2] as const;
const COMMANDS = [
  'ip',
  'bridge',
  'nft',
  'sysctl',
  'dnsmasq',
  'nsenter',
  'setpriv',
  'unshare',
  'flock',
  'qemu-img',
  'ssh',
  'scp',
  'ssh-keygen',
  'mformat',
  'mcopy',
];

export async function qemu(architecture: Architecture): Promise<Finding> {
  const { binary } = MACHINE_TABLE[architecture];
  const name = `qemu ${architecture}`;
  const needed = architecture === hostArchitecture();
  if ((await commandPath(binary)) === undefined)
    return {
      name,
      status: needed ? 'fail' : 'info',
      fact: `${binary} is not installed${needed ? '' : `; only ${architecture} images need it`}`,
      remedy: installHint(binary),
    };
  const { stdout } = await run(binary, ['-version']);
  const [, major = '0', minor = '0'] = /version (\d+)\.(\d+)/.exec(stdout) ?? [];
  const isOld =
    Number(major) < OLDEST_QEMU[0] || (Number(major) === OLDEST_QEMU[0] && Number(minor) < OLDEST_QEMU[1]);
  if (isOld)
    return {
      name,
      status: 'fail',
      fact: `QEMU ${major}.${minor} is older than ${OLDEST_QEMU.join('.')}`,
      remedy: 'upgrade QEMU',
    };
  return { name, status: 'ok', fact: `QEMU ${major}.${minor}` };
}

export function firmware(): readonly Finding[] {
  return (['x86_64', 'arm64', 'armhf'] as const).map((architecture) => {
    const name = `uefi ${architecture}`;
    try {
      return { name, status: 'ok' as const, fact: findFirmware(architecture).code };
    } catch (error) {
      const remedy = error instanceof Error && 'hint' in error ? String(error.hint) : '';
      return { name, status: 'info' as const, fact: `${messageOf(error)}; only UEFI images need it`, remedy };
    }
  });
}

export async function commands(): Promise<readonly Finding[]> {
  const found = await Promise.all(COMMANDS.map(async (command) => commandPath(command)));
  const missing = COMMANDS.filter((_, index) => found[index] === undefined);
  if (missing.length === 0)
    return [{ name: 'commands', status: 'ok', fact: `${COMMANDS.length} host commands are there` }];
  return missing.map((command) => ({
    name: 'commands',
    status: 'fail',
    fact: `'${command}' is not installed`,
    remedy: installHint(command),
  }));
}
