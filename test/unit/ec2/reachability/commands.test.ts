// What a person sees of `sg why` and `vpc show`.
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import yargs from 'yargs';
import { why } from '../../../../src/cli/commands/sg-why.ts';
import { show } from '../../../../src/cli/commands/vpc-show.ts';
import type { Command } from '../../../../src/cli/define-command.ts';
import { Output } from '../../../../src/cli/output.ts';
import { allowIn, RecordedWorld } from './recorded-world.ts';

let world: RecordedWorld;
let locale: string | undefined;
beforeEach(() => {
  world = new RecordedWorld();
  locale = process.env['LC_ALL'];
  process.env['LC_ALL'] = 'C.UTF-8';
});
afterEach(() => {
  world[Symbol.dispose]();
  if (locale === undefined) delete process.env['LC_ALL'];
  else process.env['LC_ALL'] = locale;
});

async function typed(command: Command, words: readonly string[], { json = false } = {}) {
  const stdout = new PassThrough() as unknown as NodeJS.WriteStream;
  const out = new Output({ json, quiet: false, stdout, stderr: stdout });
  let exitCode = 0;
  await command
    .register(yargs([...words]), {
      out,
      open: () => world.ctx,
      signal: new AbortController().signal,
      exitWith: (code) => {
        exitCode = code;
      },
      rest: [],
    })
    .parseAsync();
  return { exitCode, text: String((stdout as unknown as PassThrough).read() ?? '') };
}

test('sg why: the verdict, the steps in a column, what to type; the exit code is the answer', async () => {
  const vpc = world.vpc('10.0.0.0/16');
  const subnet = world.subnet(vpc, '10.0.1.0/24');
  const web = world.group(vpc, 'web');
  const [a, b] = ['a', 'b'].map((name) => world.machine(subnet, { groups: [web], name }));
  const dropped = await typed(why, ['why', 'a', 'b']);
  expect(dropped).toEqual({
    exitCode: 1,
    text: [
      `dropped at groups in: tcp/22 from a (${a?.instance.instanceId}) 10.0.1.4 to b (${b?.instance.instanceId}) 10.0.1.5`,
      '',
      `· guard       ${a?.networkInterface.networkInterfaceId} speaks with its own address 10.0.1.4 (source/dest check on)`,
      `✓ groups out  ${web.rules[0]?.securityGroupRuleId} of web (${web.groupId}): everything to 0.0.0.0/0`,
      `· route       ${vpc.mainRouteTable.routeTableId} (main): 10.0.0.0/16 is local`,
      `✗ groups in   no ingress rule of web (${web.groupId}) allows tcp/22 from 10.0.1.4`,
      '',
      `try: bonami sg authorize ${web.groupId} -p 22 --from 10.0.1.4/32`,
      '',
    ].join('\n'),
  });
  world.setRules(web, [allowIn('tcp/22', web)]);
  const allowed = await typed(why, ['why', 'a', 'b', 'tcp/22']);
  expect(allowed.exitCode).toBe(0);
  expect(allowed.text).toMatch(/^allowed: tcp\/22 from a /);
  const json = await typed(why, ['why', 'a', 'b', 'udp/53'], { json: true });
  expect(json.exitCode).toBe(1);
  expect(JSON.parse(json.text)).toMatchObject({ Verdict: 'dropped', DroppedAt: 'ingress' });
});

test('vpc show: a tree, or the same as JSON', async () => {
  const vpc = world.vpc('10.0.0.0/16');
  expect((await typed(show, ['show', vpc.vpcId])).text).toMatch(
    /^vpc-\w+ {2}10\.0\.0\.0\/16\n├─ internet gateway/,
  );
  const json = await typed(show, ['show', vpc.vpcId], { json: true });
  expect(JSON.parse(json.text)).toMatchObject({ VpcId: vpc.vpcId, Subnets: [] });
});
