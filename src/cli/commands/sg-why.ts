import type { DescribedPath, DescribedStep } from '../../ec2/reachability/describe-path.ts';
import { defineCommand } from '../define-command.ts';
import type { Output } from '../output.ts';
import { symbolsFor, type Symbols } from '../symbols.ts';

const END = 'instance, interface, address, internet, or host (this one)';

/** As grep has it: the answer is no. */
const DROPPED = 1;

export const why = defineCommand({
  command: 'why <from> <to> [traffic]',
  describe: 'whether traffic gets from one place to another and back, and what decides it',
  positionals: {
    from: { type: 'string', describe: END },
    to: { type: 'string', describe: END },
    traffic: {
      type: 'string',
      default: 'tcp/22',
      describe: 'tcp/22, tcp/8000-8100, udp/53, icmp (a ping), icmp/8/0, proto/47, all',
    },
  },
  options: { ipv6: { type: 'boolean', describe: 'about IPv6 addresses, where none is named' } },
  examples: [
    ['sg why web db tcp/5432', 'does web reach the database, and by which rule?'],
    ['sg why host web', 'why does ssh from here time out?'],
    ['sg why internet 203.0.113.1 tcp/443', 'is the service seen from outside?'],
    ['sg why web 192.0.2.10 udp/123', 'may web ask that time server?'],
    ['sg why web db || echo closed', 'for scripts'],
  ],
  epilogue:
    'Exit code 0 when it is allowed, 1 when it is dropped (as when the command fails). Connections that stand are not cut by new rules; what is explained is a new one.',
  handler: async (args, { out, open, exitWith }) => {
    const { describePath } = await import('../../ec2/reachability/describe-path.ts');
    const path = await describePath(open(), {
      from: String(args['from']),
      to: String(args['to']),
      traffic: String(args['traffic']),
      isIpv6: args.ipv6 === true,
    });
    out.result(path, () => print(out, path, symbolsFor(process.env)));
    if (path.Verdict === 'dropped') exitWith(DROPPED);
  },
});

const LABELS: Readonly<Record<DescribedStep['Stage'], string>> = {
  interface: 'interface',
  guard: 'guard',
  tracking: 'tracking',
  egress: 'groups out',
  route: 'route',
  'acl-out': 'acl out',
  peering: 'peering',
  gateway: 'gateway',
  translation: 'address',
  host: 'host',
  service: 'service',
  destination: 'destination',
  'acl-in': 'acl in',
  ingress: 'groups in',
  forwarding: 'forwarding',
  'answer-route': 'back: route',
  'answer-acl-out': 'back: acl out',
  'answer-acl-in': 'back: acl in',
};

function print(out: Output, { Verdict, From, To, Traffic, Steps }: DescribedPath, symbols: Symbols): void {
  const first = Steps.find((step) => step.Verdict === 'drop');
  const verdict =
    first === undefined
      ? out.paint('green', Verdict)
      : out.paint('red', `${Verdict} at ${LABELS[first.Stage]}`);
  out.line(`${verdict}: ${oneLine(`${Traffic} from ${From.Text} to ${To.Text}`)}`);
  out.line();
  const width = Math.max(...Steps.map(({ Stage }) => LABELS[Stage].length));
  for (const step of Steps)
    out.line(`${sign(out, step, symbols)} ${LABELS[step.Stage].padEnd(width)}  ${oneLine(step.By)}`);
  const hints = new Set(Steps.flatMap(({ Verdict: said, Hint }) => (said === 'drop' && Hint ? [Hint] : [])));
  if (hints.size > 0) out.line();
  for (const hint of hints) out.line(`${out.paint('cyan', 'try:')} ${oneLine(hint)}`);
}

/** Names are other people's words. */
function oneLine(text: string): string {
  return text.replaceAll(/[\n\t]/g, ' ');
}

function sign(out: Output, { Verdict }: DescribedStep, symbols: Symbols): string {
  switch (Verdict) {
    case 'allow':
      return out.paint('green', symbols.yes);
    case 'pass':
      return out.paint('dim', symbols.neutral);
    case 'drop':
      return out.paint('red', symbols.no);
  }
}
