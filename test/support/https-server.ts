import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type RequestListener, type Server, createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface HttpsServer {
  /** `https://localhost:<port>` */
  readonly origin: string;
  readonly ca: string;
  close(): Promise<void>;
}

/** An https server on the loopback with a certificate of its own. */
export async function httpsServer(listener: RequestListener): Promise<HttpsServer> {
  const folder = mkdtempSync(join(tmpdir(), 'bonami-tls-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  const ca = readFileSync(cert, 'utf8');
  const server = createServer({ key: readFileSync(key), cert: ca }, listener);
  rmSync(folder, { recursive: true });
  return { origin: `https://localhost:${await listen(server)}`, ca, close: closing(server) };
}

/** An http server on the loopback. */
export async function httpServer(listener: RequestListener): Promise<Omit<HttpsServer, 'ca'>> {
  const server = createPlainServer(listener);
  return { origin: `http://localhost:${await listen(server)}`, close: closing(server) };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function closing(server: Server): () => Promise<void> {
  return async () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}
