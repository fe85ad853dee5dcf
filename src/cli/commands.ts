import type { Command } from './define-command.ts';
import { console_ } from './commands/console.ts';
import { cp } from './commands/cp.ts';
import { doctor } from './commands/doctor.ts';
import { eni } from './commands/eni.ts';
import { image } from './commands/image/image.ts';
import { key } from './commands/key.ts';
import { logs } from './commands/logs.ts';
import { ls } from './commands/ls.ts';
import { reboot, start, stop, terminate } from './commands/power.ts';
import { run } from './commands/run.ts';
import { sg } from './commands/sg.ts';
import { show } from './commands/show.ts';
import { snapshot } from './commands/snapshot.ts';
import { smoke } from './commands/smoke.ts';
import { ssh } from './commands/ssh.ts';
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
  vpc,
  subnet,
  eni,
  tag,
  doctor,
];
