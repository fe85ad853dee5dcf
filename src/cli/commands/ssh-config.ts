import { resolve } from 'node:path';
import { UsageError } from '../../core/errors.ts';
import { defineCommand } from '../define-command.ts';

export const sshConfig = defineCommand({
  command: 'ssh-config',
  describe: 'let plain ssh, scp, rsync and what is built on them find instances: ssh web.bonami',
  options: {
    install: { type: 'boolean', describe: 'include it in your ~/.ssh/config and keep it true from now on' },
    remove: { type: 'boolean', describe: 'undo that' },
    config: {
      type: 'string',
      describe: "the file that includes it, in ~/.ssh/config's place",
      requiresArg: true,
    },
  },
  examples: [
    ['ssh-config', 'print it'],
    ['ssh-config --install', 'then: ssh web.bonami, rsync -a site/ web.bonami:/srv/, ansible -i web.bonami,'],
  ],
  epilogue:
    'Running instances are found as NAME.bonami and ID.bonami. The installed file follows launches, starts, ends and renames by itself.',
  handler: async (args, { out, open }) => {
    if (args.install === true && args.remove === true)
      throw new UsageError('--install and --remove at once', { hint: 'bonami ssh-config --install' });
    const ctx = open();
    const { installSshConfig, removeSshConfig, userSshConfig } =
      await import('../../ec2/instances/ssh-config-file.ts');
    const userConfig = args.config === undefined ? userSshConfig() : resolve(args.config);
    if (args.install === true) {
      await installSshConfig(ctx, userConfig);
      out.result({ SshConfig: ctx.layout.sshConfig, IncludedBy: userConfig }, () =>
        out.line(`${userConfig} includes ${ctx.layout.sshConfig}`),
      );
    } else if (args.remove === true) {
      await removeSshConfig(ctx, userConfig);
      out.result({}, () => out.line(`${userConfig} is as it was before`));
    } else {
      const { sshConfig: text } = await import('../../ec2/instances/ssh-config.ts');
      out.result({ Text: text(ctx) }, () => out.raw(text(ctx)));
    }
  },
});
