import { HostError } from '../../core/errors.ts';
import { layerNodes } from './command-line.ts';
import type { QmpConnection } from './qmp.ts';

/** QMP `query-named-block-nodes`, as much of it as matters. */
interface BlockNode {
  readonly 'node-name': string;
  readonly drv: string;
  readonly ro: boolean;
  /** Path of the file. */
  readonly file: string;
}

/** The files that the machine writes to, by path: the highest layer of each of its disks. */
export async function writtenLayers(qmp: QmpConnection): Promise<readonly string[]> {
  return (await writtenFiles(qmp)).map(({ file }) => file);
}

export interface Redirection {
  /** The highest layer so far. */
  readonly from: string;
  /** An empty layer on top of it, which the machine's user may write to. */
  readonly to: string;
}

/**
 * From one moment on, the same for all disks, the machine writes to other layers; what it wrote before stays as it
 * is, below them (QMP: `transaction` of `blockdev-snapshot`). All or nothing; the guest waits for milliseconds.
 */
export async function redirectWrites(
  qmp: QmpConnection,
  redirections: readonly Redirection[],
): Promise<void> {
  const files = await writtenFiles(qmp);
  const added: string[] = [];
  try {
    const actions = [];
    for (const { from, to } of redirections) {
      const fileNode = files.find(({ file }) => file === from)?.['node-name'];
      if (fileNode === undefined)
        throw new HostError('DiskBroken', `the machine does not write to '${from}'`);
      const node = fileNode.replace(/file$/, '');
      const overlay = nextName(node);
      // `backing: null`: the layer below is the node that it is put on, whatever the header says.
      for (const options of layerNodes({
        filename: to,
        format: 'qcow2',
        node: overlay,
        below: null,
        readOnly: false,
      })) {
        await qmp.execute('blockdev-add', options, 30_000);
        added.push(String(options['node-name']));
      }
      actions.push({ type: 'blockdev-snapshot', data: { node, overlay } });
    }
    await qmp.execute('transaction', { actions }, 30_000);
  } catch (error) {
    for (const name of added.toReversed())
      await qmp.execute('blockdev-del', { 'node-name': name }).catch(() => undefined);
    throw error;
  }
}

/**
 * The nodes of files, as `layerNodes` names them. Not those of qcow2: QEMU calls one that stands on another by what it
 * was told about both, and not by its path.
 */
async function writtenFiles(qmp: QmpConnection): Promise<readonly BlockNode[]> {
  const nodes = (await qmp.execute('query-named-block-nodes', { flat: true })) as readonly BlockNode[];
  return nodes.filter((node) => node.drv === 'file' && !node.ro && /layer\d+file$/.test(node['node-name']));
}

/** `drive0layer1` → `drive0layer2`. */
function nextName(node: string): string {
  const [, stem = node, number = '0'] = /^(.*?)(\d+)$/.exec(node) ?? [];
  return `${stem}${Number(number) + 1}`;
}
