import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { VpcId } from './core/ids.ts';
import type { Ec2Context } from './ec2/context.ts';
import { instanceMetadata } from './ec2/instances/metadata.ts';
import { ACTIVE_STATES } from './ec2/instances/instance-state.ts';
import { METADATA_ADDRESS } from './ec2/vpcs/router-spec.ts';
import { repairVpcServices } from './ec2/vpcs/network.ts';
import { listenInNamespace } from './host/agent/listener.ts';
import { namespaceInode } from './host/link/namespace.ts';
import { writeWhole } from './host/whole-file.ts';
import { instances } from './store/instances.ts';
import { signedIdentity, type HomeIdentity } from './imds/identity-document.ts';
import type { IdentitySignatures } from './imds/metadata-tree.ts';
import { serveOn, type MetadataService } from './imds/server.ts';
import { selfSignedCertificate, signPkcs7 } from './imds/pkcs7.ts';

interface Listener {
  readonly inode: number | undefined;
  readonly close: () => void;
}

/** The metadata service of every VPC that is up: one listening socket in each namespace. */
export class MetadataListeners {
  readonly #ctx: Ec2Context;
  readonly #parts: Pick<MetadataService, 'tokenKey' | 'onRequest' | 'onError'>;
  readonly #listeners = new Map<string, Listener>();
  readonly #identities = new Map<string, IdentitySignatures>();
  #home: HomeIdentity | undefined;
  #closed = false;
  #turn: Promise<void> = Promise.resolve();

  constructor(ctx: Ec2Context, parts: Pick<MetadataService, 'tokenKey' | 'onRequest' | 'onError'>) {
    this.#ctx = ctx;
    this.#parts = parts;
  }

  get serving(): readonly string[] {
    return [...this.#listeners.keys()];
  }

  /**
   * Listens in this namespace; a listener in an older namespace of the same VPC is given up. Does nothing for a VPC
   * without active instances: whoever takes its network down has asked us to let go, and a socket opened after that
   * would keep the namespace alive.
   */
  async serve(vpcId: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#closed || !hasActiveInstances(this.#ctx, vpcId)) return;
      const namespace = this.#ctx.ground.router(vpcId);
      const inode = namespaceInode(namespace);
      if (this.#listeners.get(vpcId)?.inode === inode) return;
      this.#close(vpcId);
      const helper = join(dirname(this.#ctx.agentScript), 'listen-helper.js');
      const socket = await listenInNamespace({
        namespace,
        address: METADATA_ADDRESS,
        port: 80,
        helper,
      });
      const close = serveOn(socket, {
        ...this.#parts,
        instanceAt: (address) => instanceMetadata(this.#ctx, vpcId, address),
        identityOf: (of) => this.#identity(of),
      });
      this.#listeners.set(vpcId, { inode, close });
    });
  }

  async release(vpcId: string): Promise<void> {
    return this.#inTurn(async () => this.#close(vpcId));
  }

  /** Serves what has active instances and repairs what serves them beside us. */
  async keep(active: ReadonlySet<VpcId>): Promise<void> {
    for (const vpcId of active) {
      // One network that fails does not keep the others' metadata from them.
      try {
        await repairVpcServices(this.#ctx, vpcId);
        if (namespaceInode(this.#ctx.ground.router(vpcId)) !== undefined) await this.serve(vpcId);
      } catch (error) {
        this.#parts.onError?.(error);
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const vpcId of this.serving) await this.release(vpcId);
  }

  #close(vpcId: string): void {
    const listener = this.#listeners.get(vpcId);
    this.#listeners.delete(vpcId);
    listener?.close();
  }

  #identity(of: Parameters<typeof signedIdentity>[0]): IdentitySignatures {
    const cached = this.#identities.get(of.instanceId);
    if (cached) return cached;
    const made = signedIdentity(of, (this.#home ??= homeIdentity(this.#ctx)), signPkcs7);
    this.#identities.set(of.instanceId, made);
    return made;
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}

function hasActiveInstances({ db }: Ec2Context, vpcId: string): boolean {
  return instances.list(db).some((each) => each.vpcId === vpcId && ACTIVE_STATES.has(each.state));
}

/** The home's key and certificate, made at first use. */
function homeIdentity({ layout, now }: Ec2Context): HomeIdentity {
  const path = layout.identityKey;
  if (!existsSync(path)) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
    writeWhole(path, pem + selfSignedCertificate(pem, now()), 0o600);
  }
  const text = readFileSync(path, 'utf8');
  const at = text.indexOf('-----BEGIN CERTIFICATE-----');
  return { privateKey: text.slice(0, at), certificate: text.slice(at) };
}
