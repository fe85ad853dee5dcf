import { HostError } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoint.ts';
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

/**
 * The files that the machine may write to, by path: the highest layer of each of its disks, and those below that were
 * the highest since it started. Layers that a dead caller had given to it, but not put to use, are taken back first.
 */
export async function writtenLayers(qmp: QmpConnection): Promise<readonly string[]> {
  for (const { 'node-name': fileNode } of await writtenFiles(qmp)) {
    await removeUnused(qmp, nodeOn(fileNode));
    await removeUnused(qmp, fileNode);
  }
  return (await writtenFiles(qmp)).map(({ file }) => file);
}

/** QEMU itself refuses to let go of a node that anything uses. */
async function removeUnused(qmp: QmpConnection, node: string): Promise<void> {
  try {
    await qmp.execute('blockdev-del', { 'node-name': node });
  } catch (error) {
    if (!(error instanceof HostError && error.code === 'QmpRefused')) throw error;
  }
}

/** The qcow2 node on a file's node, as `layerNodes` names both. */
function nodeOn(fileNode: string): string {
  return fileNode.replace(/file$/, '');
}

export interface Redirection {
  /** The highest layer so far. */
  readonly from: string;
  /** An empty layer on top of it, which the machine's user may write to. */
  readonly to: string;
}

/**
 * From one moment on, the same for all disks, the machine writes to other layers; what it wrote before stays as it
 * is, below them (QMP: `transaction` of `blockdev-snapshot`). All or nothing; the guest waits for milliseconds. A layer
 * in `to` may be in use even when this throws: the machine may have been too slow to say so.
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
      const node = nodeOn(fileNode);
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
    failpoint('freeze:added');
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
