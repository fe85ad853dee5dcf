import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { type IncomingHttpHeaders, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type HomeIdentity, signedIdentity } from '../../src/imds/identity-document.ts';
import type { InstanceMetadata, InterfaceMetadata } from '../../src/imds/instance-metadata.ts';
import { selfSignedCertificate, signPkcs7 } from '../../src/imds/pkcs7.ts';
import { metadataServer } from '../../src/imds/server.ts';

const KEY_LINE = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFk7xyXkNhV9rW0P0b1b0nqk0w0vUOy6bEYQwq1C2Vb3 a test';

const GROUPS = [
  { id: 'sg-0aaaaaaaaaaaaaaaa', name: 'default' },
  { id: 'sg-0bbbbbbbbbbbbbbbb', name: 'web servers' },
];

/** Two interfaces in subnets of their own: one with an address of each kind, one with no more than it must have. */
export const INTERFACES: readonly [InterfaceMetadata, InterfaceMetadata] = [
  {
    interfaceId: 'eni-0aaaaaaaaaaaaaaaa',
    mac: '02:00:ac:1f:00:0a',
    deviceIndex: 0,
    addresses: ['172.31.0.10', '172.31.0.20'],
    ipv6Addresses: ['fd00:1:2:300::a', 'fd00:1:2:300::b'],
    publicAddresses: [
      { publicIp: '198.51.100.20', address: '172.31.0.20' },
      { publicIp: '198.51.100.10', address: '172.31.0.10' },
    ],
    securityGroups: GROUPS,
    hostname: 'ip-172-31-0-10.ec2.internal',
    subnetId: 'subnet-0aaaaaaaaaaaaaaaa',
    subnetCidr: '172.31.0.0/20',
    subnetIpv6Cidr: 'fd00:1:2:300::/64',
    vpcId: 'vpc-0aaaaaaaaaaaaaaaa',
    vpcCidr: '172.31.0.0/16',
    vpcIpv6Cidr: 'fd00:1:2:300::/56',
  },
  {
    interfaceId: 'eni-0bbbbbbbbbbbbbbbb',
    mac: '02:00:ac:1f:00:0b',
    deviceIndex: 1,
    addresses: ['172.31.16.11'],
    ipv6Addresses: [],
    publicAddresses: [],
    securityGroups: GROUPS.slice(1),
    hostname: 'ip-172-31-16-11.ec2.internal',
    subnetId: 'subnet-0bbbbbbbbbbbbbbbb',
    subnetCidr: '172.31.16.0/20',
    subnetIpv6Cidr: undefined,
    vpcId: 'vpc-0aaaaaaaaaaaaaaaa',
    vpcCidr: '172.31.0.0/16',
    vpcIpv6Cidr: 'fd00:1:2:300::/56',
  },
];

/** An instance with everything: a key, two groups, two disks beside the root, two interfaces, tags, user data. */
export function fullInstance(fields: Partial<InstanceMetadata> = {}): InstanceMetadata {
  return {
    instanceId: 'i-0aaaaaaaaaaaaaaaa',
    imageId: 'ami-0aaaaaaaaaaaaaaaa',
    launchIndex: 2,
    instanceType: 't3.small',
    architecture: 'x86_64',
    reservationId: 'r-0aaaaaaaaaaaaaaaa',
    hostname: 'ip-172-31-0-10.ec2.internal',
    availabilityZone: 'us-east-1b',
    region: 'us-east-1',
    accountId: '123456789012',
    launchTime: '2026-01-02T03:04:05.678Z',
    securityGroups: GROUPS,
    publicKey: { name: 'my-key', line: KEY_LINE },
    rootDeviceName: '/dev/xvda',
    otherDevices: ['/dev/sdf', '/dev/sdg'],
    instanceStore: [{ virtualName: 'ephemeral0', deviceName: '/dev/sdb' }],
    interfaces: INTERFACES,
    tags: { Name: 'web 1', stage: 'test' },
    userData: Buffer.from('#!/bin/sh\necho hello\n'),
    ...fields,
    options: {
      httpTokens: 'required',
      httpEndpoint: 'enabled',
      instanceMetadataTags: 'enabled',
      ...fields.options,
    },
  };
}

/** A home's key and certificate; making one takes a moment. */
export function newHomeIdentity(): HomeIdentity {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  return { privateKey: pem, certificate: selfSignedCertificate(pem, new Date()) };
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

export interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** An address of the loopback net to ask from. */
  readonly from?: string;
}

export interface TestMetadata {
  readonly port: number;
  /** Who is behind which address; read at each request. */
  readonly callers: Map<string, InstanceMetadata>;
  /** What onRequest was told. */
  readonly seen: (readonly [instanceId: string, path: string, status: number])[];
  /** Seconds since the boot of the pretended host. */
  readonly clock: { uptime: number };
  /** How many PKCS#7 signatures were made. */
  readonly signatures: () => number;
  readonly ask: (path: string, asking?: Asking) => Promise<Reply>;
  /** A token for the caller, good for six hours. */
  readonly token: (asking?: Asking) => Promise<string>;
  readonly close: () => Promise<void>;
}

export const TOKEN = 'X-aws-ec2-metadata-token';
export const TTL = 'X-aws-ec2-metadata-token-ttl-seconds';

/** The metadata service itself on a port of the loopback; 127.0.0.1 is `fullInstance()` unless told otherwise. */
export async function metadataService(
  home: HomeIdentity = { privateKey: '', certificate: '' },
): Promise<TestMetadata> {
  const callers = new Map([['127.0.0.1', fullInstance()]]);
  const clock = { uptime: 1000.4 };
  const seen: [string, string, number][] = [];
  let signatures = 0;
  const server = metadataServer({
    instanceAt: (address) => callers.get(address),
    identityOf: (of) =>
      signedIdentity(of, home, (document) => {
        signatures += 1;
        return signPkcs7(document, home);
      }),
    tokenKey: { key: randomBytes(32), uptime: () => clock.uptime },
    onRequest: (...each) => seen.push(each),
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const ask = async (path: string, asking?: Asking): Promise<Reply> => askPort(port, path, asking);
  return {
    port,
    callers,
    seen,
    clock,
    signatures: () => signatures,
    ask,
    token: async (asking) =>
      (await ask('/latest/api/token', { ...asking, method: 'PUT', headers: { [TTL]: '21600' } })).text,
    close: async () => closeServer(server),
  };
}

async function askPort(
  port: number,
  path: string,
  { method = 'GET', headers = {}, from = '127.0.0.1' }: Asking = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port, path, method, headers, localAddress: from, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const body = Buffer.concat(chunks);
          const { statusCode: status = 0, headers: answered } = response;
          resolve({ status, headers: answered, body, text: body.toString() });
        });
      },
    );
    asked.once('error', reject);
    asked.end();
  });
}

async function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
