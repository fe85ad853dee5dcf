import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Server as NetServer, Socket } from 'node:net';
import type { InstanceMetadata } from './instance-metadata.ts';
import { answerAt, metadataTree, VERSIONS, type IdentitySignatures } from './metadata-tree.ts';
import { issueToken, MAX_TTL_SECONDS, tokenTtl, type TokenKey } from './token.ts';

export interface MetadataService {
  /**
   * The instance behind an address of the network that this listener serves, read afresh for each request, so that
   * changed options count at once. The address is proof of identity: nobody can send from another's.
   */
  readonly instanceAt: (address: string) => InstanceMetadata | undefined;
  readonly identityOf: (of: InstanceMetadata) => IdentitySignatures;
  readonly tokenKey: TokenKey;
  /** Told of every answered request: what was asked for and how it ended, never what was said. */
  readonly onRequest?: (instanceId: string, path: string, status: number) => void;
  /** Told what kept a request from being answered. */
  readonly onError?: (error: unknown) => void;
}

interface Answer {
  readonly status: number;
  readonly body?: string | Buffer;
  /** The body is a token, whose answer may not travel far: the firewall knows it by its first header (local-input.ts). */
  readonly isToken?: boolean;
  readonly ttl?: number;
  readonly type?: string;
}

const TTL_HEADER = 'x-aws-ec2-metadata-token-ttl-seconds';
const TOKEN_HEADER = 'x-aws-ec2-metadata-token';
const MAX_CONNECTIONS = 1024;
const NOT_FOUND_PAGE = `<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
	"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>404 - Not Found</title>
 </head>
 <body>
  <h1>404 - Not Found</h1>
 </body>
</html>
`;

/** The instance metadata service for one network; the caller gives it its listening socket. Guests are not trusted: everything is bounded. */
export function metadataServer(service: MetadataService): Server {
  const server = createServer(
    {
      maxHeaderSize: 8192,
      keepAliveTimeout: 5_000,
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      // Node looks at the two timeouts only this often; every half a minute when it is not told.
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      const instance = callerOf(service, request.socket);
      // Nobody that we know: nothing to say, not even that there is a service.
      if (instance === undefined) return void request.socket.destroy();
      const answer = answered(service, instance, request);
      request.resume();
      send(response, answer, request.method === 'HEAD');
      service.onRequest?.(instance.instanceId, pathOf(request), answer.status);
    },
  );
  // Node answers what it cannot parse, and `Expect: 100-continue`, by itself: a stranger must not get that far.
  server.on('connection', (socket) => {
    if (callerOf(service, socket) === undefined) socket.destroy();
  });
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

/**
 * The same on a listening socket that was opened elsewhere, until the returned function closes it. The socket stays
 * the one owner of its handle; listening a second time on it would leave nobody to close it.
 */
export function serveOn(socket: NetServer, service: MetadataService): () => void {
  const http = metadataServer(service);
  // Node keeps account of connections and of their timeouts from this event on, and this server never listens itself.
  http.emit('listening');
  socket.maxConnections = MAX_CONNECTIONS;
  socket.on('connection', (connection) => http.emit('connection', connection));
  return () => {
    socket.close();
    http.close();
    http.closeAllConnections();
  };
}

/** Whose address this is; nobody's when its records cannot be read: one guest's trouble must not become everyone's. */
function callerOf(service: MetadataService, socket: Socket): InstanceMetadata | undefined {
  try {
    return service.instanceAt(addressOf(socket));
  } catch (error) {
    service.onError?.(error);
    return undefined;
  }
}

function answered(service: MetadataService, of: InstanceMetadata, request: IncomingMessage): Answer {
  try {
    return judge(service, of, request);
  } catch (error) {
    service.onError?.(error);
    return { status: 500 };
  }
}

function addressOf({ remoteAddress = '' }: Socket): string {
  return remoteAddress.replace(/^::ffff:/, '');
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return (url.split('?')[0] ?? '/').replaceAll(/\/{2,}/g, '/');
}

/** The IMDSv2 rules (AWS user guide, "Use the Instance Metadata Service"), in the order in which EC2 applies them. */
function judge(service: MetadataService, of: InstanceMetadata, request: IncomingMessage): Answer {
  if (of.options.httpEndpoint === 'disabled') return { status: 403 };
  const path = pathOf(request);
  if (request.method === 'PUT') return putToken(service, of, request, path);
  if (request.method !== 'GET' && request.method !== 'HEAD') return { status: 405 };
  const token = request.headers[TOKEN_HEADER];
  const ttl = typeof token === 'string' ? tokenTtl(service.tokenKey, of.instanceId, token) : undefined;
  if (token !== undefined && ttl === undefined) return { status: 401 };
  if (token === undefined && of.options.httpTokens === 'required') return { status: 401 };
  return { ...read(service, of, path), ...(ttl === undefined ? {} : { ttl }) };
}

function putToken(
  service: MetadataService,
  of: InstanceMetadata,
  { headers }: IncomingMessage,
  path: string,
): Answer {
  // A request that came through a proxy is somebody else's (AWS: PUT requests with X-Forwarded-For are rejected).
  if (headers['x-forwarded-for'] !== undefined) return { status: 403 };
  if (path !== '/latest/api/token') return { status: /^\/[^/]+\/api\/token$/.test(path) ? 403 : 405 };
  const wanted = headers[TTL_HEADER];
  const ttl = typeof wanted === 'string' && /^\d{1,6}$/.test(wanted) ? Number(wanted) : 0;
  if (ttl < 1 || ttl > MAX_TTL_SECONDS) return { status: 400 };
  return { status: 200, body: issueToken(service.tokenKey, of.instanceId, ttl), isToken: true, ttl };
}

function read({ identityOf }: MetadataService, of: InstanceMetadata, path: string): Answer {
  const [, version = '', ...rest] = path.split('/');
  if (version === '') return { status: 200, body: VERSIONS.join('\n') };
  if (!(VERSIONS as readonly string[]).includes(version)) return { status: 404 };
  const body = answerAt(metadataTree(of, identityOf(of)), rest.join('/'));
  if (body === undefined) return { status: 404 };
  return { status: 200, body, ...(Buffer.isBuffer(body) ? { type: 'application/octet-stream' } : {}) };
}

function send(
  response: ServerResponse,
  { status, body, isToken = false, ttl, type = 'text/plain' }: Answer,
  headOnly: boolean,
): void {
  const content = Buffer.from(body ?? (status === 404 ? NOT_FOUND_PAGE : ''));
  response.writeHead(status, {
    ...(isToken ? { Server: 'EC2ws' } : {}),
    'Content-Type': status === 404 ? 'text/html' : type,
    'Content-Length': content.length,
    Server: 'EC2ws',
    // As EC2 does. The firewall counts on it: it judges a connection by its only answer.
    Connection: 'close',
    ...(ttl === undefined ? {} : { 'X-Aws-Ec2-Metadata-Token-Ttl-Seconds': String(ttl) }),
  });
  response.end(headOnly ? undefined : content);
}
