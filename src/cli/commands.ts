import type { Command } from './define-command.ts';
import { acl } from './commands/acl.ts';
import { console_ } from './commands/console.ts';
import { cp } from './commands/cp.ts';
import { dhcp } from './commands/dhcp.ts';
import { doctor } from './commands/doctor.ts';
import { eip } from './commands/eip.ts';
import { eni } from './commands/eni.ts';
import { igw } from './commands/igw.ts';
import { image } from './commands/image/image.ts';
import { key } from './commands/key.ts';
import { logs } from './commands/logs.ts';
import { ls } from './commands/ls.ts';
import { nat } from './commands/nat.ts';
import { peering } from './commands/peering.ts';
import { portForward } from './commands/port-forward.ts';
import { prefixList } from './commands/prefix-list.ts';
import { reboot, start, stop, terminate } from './commands/power.ts';
import { route } from './commands/route.ts';
import { run } from './commands/run.ts';
import { sg } from './commands/sg.ts';
import { show } from './commands/show.ts';
import { snapshot } from './commands/snapshot.ts';
import { smoke } from './commands/smoke.ts';
import { ssh } from './commands/ssh.ts';
import { sshConfig } from './commands/ssh-config.ts';
import { subnet } from './commands/subnet.ts';
import { tag } from './commands/tag.ts';
import { type } from './commands/type.ts';
import { vpc } from './commands/vpc.ts';
import { volume } from './commands/volume.ts';
import { wait } from './commands/wait.ts';

/** Every command, in the order of `bonami --help`. */
export const COMMANDS: readonly Command[] = [
  run,
  ls,
  show,
  wait,
  ssh,
  cp,
  console_,
  logs,
  portForward,
  sshConfig,
  stop,
  start,
  reboot,
  terminate,
  smoke,
  image,
  snapshot,
  volume,
  key,
  type,
  sg,
  prefixList,
  vpc,
  subnet,
  route,
  igw,
  nat,
  peering,
  acl,
  dhcp,
  eni,
  eip,
  tag,
  doctor,
];
