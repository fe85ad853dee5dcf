// Other firewalls on the host. A drop in any of them holds, whatever our own tables accept; so where one refuses to
// forward what it does not know, our links are made known to it.
import { ask, type Namespace } from '../link/namespace.ts';
import { tablesOf } from './apply.ts';

const COMMENT = 'bonami';

/** Docker leaves this chain to others and asks it first; it refuses everything that it did not make itself. */
const DOCKER_CHAIN = 'DOCKER-USER';
const FIREWALLD_CHAIN = 'inet firewalld filter_FORWARD';

interface ListedRule {
  readonly text: string;
  readonly handle: string;
}

interface ListedChain {
  /** Family, table and chain. */
  readonly name: string;
  readonly dropsByPolicy: boolean;
  readonly rules: readonly ListedRule[];
}

/**
 * Lets traffic from and to links whose names begin with `prefix` pass the forward chains of Docker, of firewalld and of
 * whoever else drops by policy (ufw). To be repeated: they build their chains anew as they please. Returns the
 * chains that do not let themselves be changed.
 */
export async function passForeignFirewalls(namespace: Namespace, prefix: string): Promise<readonly string[]> {
  const refused: string[] = [];
  for (const { chain, line } of await missingPasses(namespace, prefix))
    if (!(await insert(namespace, chain, line))) refused.push(chain);
  return [...new Set(refused)];
}

/** What `passForeignFirewalls` would put in: the chain, and the rule that it lacks. */
export async function missingPasses(
  namespace: Namespace,
  prefix: string,
): Promise<readonly { readonly chain: string; readonly line: string }[]> {
  return (await chainsToPass(namespace)).flatMap(({ name, rules }) =>
    passes(prefix)
      .filter((line) => !rules.some(({ text }) => text === line))
      .map((line) => ({ chain: name, line })),
  );
}

/** Takes back whatever `passForeignFirewalls` has ever put in. Absent is success. */
export async function unpassForeignFirewalls(namespace: Namespace): Promise<void> {
  for (const chain of await foreignChains(namespace))
    for (const { text, handle } of chain.rules)
      if (text.endsWith(`accept comment "${COMMENT}"`))
        // Its owner may have taken it away in the meantime.
        await ask(namespace, 'nft', ['delete', 'rule', ...chain.name.split(' '), 'handle', handle]);
}

function passes(prefix: string): readonly string[] {
  return ['iifname', 'oifname'].map((end) => `${end} "${prefix}*" counter accept comment "${COMMENT}"`);
}

async function chainsToPass(namespace: Namespace): Promise<readonly ListedChain[]> {
  const chains = await foreignChains(namespace);
  const names = new Set(chains.map(({ name }) => name));
  return chains.filter(({ name, dropsByPolicy }) => {
    if (!name.endsWith(' FORWARD')) return true;
    return dropsByPolicy && !names.has(name.replace(/FORWARD$/, DOCKER_CHAIN));
  });
}

async function foreignChains(namespace: Namespace): Promise<readonly ListedChain[]> {
  const filters = ['ip filter', 'ip6 filter'].flatMap((table) => [
    `${table} ${DOCKER_CHAIN}`,
    `${table} FORWARD`,
  ]);
  const tables = await tablesOf(namespace);
  const names = [...filters, FIREWALLD_CHAIN].filter((name) =>
    tables.includes(name.split(' ').slice(0, 2).join(' ')),
  );
  const chains = await Promise.all(names.map((name) => listChain(namespace, name)));
  return chains.filter((chain) => chain !== undefined);
}

/** Undefined when there is no such chain. */
async function listChain(namespace: Namespace, name: string): Promise<ListedChain | undefined> {
  const { stdout, exitCode } = await ask(namespace, 'nft', ['-a', '-s', 'list', 'chain', ...name.split(' ')]);
  if (exitCode !== 0) return undefined;
  const rules = [...stdout.matchAll(/^\t\t(.+) # handle (\d+)$/gm)].map(([, text = '', handle = '']) => ({
    text,
    handle,
  }));
  return { name, dropsByPolicy: /hook forward .*policy drop;/.test(stdout), rules };
}

async function insert(namespace: Namespace, chain: string, line: string): Promise<boolean> {
  // Words are joined again by nft; quotation marks are part of its language and no shell is between.
  const { exitCode } = await ask(namespace, 'nft', [`insert rule ${chain} ${line}`]);
  return exitCode === 0;
}
