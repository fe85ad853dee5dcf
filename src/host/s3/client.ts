// Objects in any store that speaks S3. Who calls names the store; nothing here knows what the objects are for.
import { HostError } from '../../core/errors.ts';
import { type PlainHttp, parseEndpoint, plainHttpAgent } from './endpoint.ts';
import type * as Sdk from './sdk.ts';

/** Until a connection stands, and how long a silent one is kept; stores may be silent while they put parts together. */
const CONNECT_TIMEOUT_MS = 5000;
const SILENCE_MS = 120_000;

export interface S3Options extends PlainHttp {
  /** `https://store.example:9000`; when not given, what the AWS tools would take (see `openS3`), Amazon's at last. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** Ends every request and every stream. */
  readonly signal: AbortSignal;
}

/** A store that can be talked to. `getObject`, `putObject` and the others take it as their first argument. */
export interface S3 {
  readonly sdk: typeof Sdk;
  readonly client: Sdk.S3Client;
  /** As it was chosen; undefined for Amazon's own. */
  readonly endpoint: string | undefined;
  /** How messages call the store. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** Ends idle connections. */
  close(): void;
}

/**
 * Opens a store. Endpoint, region and credentials that are not given come from where the AWS tools have them: the
 * environment (`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`), then `~/.aws/config`; the region is `us-east-1` at last.
 * Nothing is sent yet. Throws `InvalidEndpoint`, `InvalidRegion`, `AddressNotAllowed`.
 */
export async function openS3({ endpoint, region, signal, allowPlainHttp }: S3Options): Promise<S3> {
  const sdk = await import('./sdk.ts');
  signal.throwIfAborted();
  const configured = await readConfiguration(sdk);
  const chosen = endpoint ?? configured.endpoint;
  const url = chosen === undefined ? undefined : parseEndpoint(chosen, { allowPlainHttp });
  const client = createClient(sdk, {
    region: requireRegion(region ?? configured.region),
    // Buckets as parts of the host name need a DNS entry each, which only Amazon's own endpoints surely have.
    ...(url === undefined ? {} : { endpoint: url.href, forcePathStyle: true }),
    // The checksums that Amazon added in 2024 travel in trailers, which many other stores refuse.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SILENCE_MS,
      httpAgent: plainHttpAgent({ allowPlainHttp }),
      logger: SILENT,
    },
  });
  return {
    sdk,
    client,
    endpoint: url?.href.replace(/\/$/, ''),
    name: url?.origin ?? 'Amazon S3',
    signal,
    close: () => client.destroy(),
  };
}

interface Configuration {
  readonly endpoint: string | undefined;
  readonly region: string;
}

/** What a client takes when it is told nothing, found out by making one. */
async function readConfiguration(sdk: typeof Sdk): Promise<Configuration> {
  const { config } = createClient(sdk, {});
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env;
  const region = AWS_REGION || AWS_DEFAULT_REGION || (await config.region().catch(() => 'us-east-1'));
  return { endpoint: await config.serviceConfiguredEndpoint?.(), region };
}

function requireRegion(region: string): string {
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(region))
    throw new HostError('InvalidRegion', `'${region.replace(/\p{Cc}/gu, '')}' is not a region`, {
      hint: 'like eu-central-1; set AWS_REGION',
    });
  return region;
}

const WARNING_SWITCH = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED';

/**
 * The library prints a warning about older versions of Node, once, when the first client is made. Its switch is in
 * the environment for that moment only, so that programs we start find the user's environment as it was.
 */
function createClient(sdk: typeof Sdk, config: Sdk.S3ClientConfig): Sdk.S3Client {
  const before = process.env[WARNING_SWITCH];
  process.env[WARNING_SWITCH] = 'true';
  try {
    return new sdk.S3Client({ ...config, logger: SILENT });
  } finally {
    if (before === undefined) delete process.env[WARNING_SWITCH];
    else process.env[WARNING_SWITCH] = before;
  }
}

/** Without a logger of ours the library's remarks go to the console. */
const SILENT = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
