import { HostError, errnoOf, messageOf } from '../../core/errors.ts';
import type { S3 } from './client.ts';
import { formatS3Url } from './s3-url.ts';

/** What a request was about: a bucket, or an object in it. */
export interface About {
  readonly bucket: string;
  readonly key?: string;
}

/** The store did not do what was asked for, and it is not the request's fault: the same again may succeed. */
const PASSING_NAMES = [
  'BadDigest',
  'IncompleteBody',
  'RequestTimeout',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'TimeoutError',
  'TooManyRequestsException',
];
const UNREACHABLE = ['ECONNREFUSED', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'ETIMEDOUT'];
const BROKEN = ['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'];
/** How a store says that a bucket is in another region than the request. */
const ELSEWHERE = [
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
  'PermanentRedirect',
  'TemporaryRedirect',
];

const SUDO = 'with sudo: sudo --preserve-env=AWS_ACCESS_KEY_ID,AWS_SECRET_ACCESS_KEY …';
/** Refusals of the person, not of the request: what is wrong, and what to type. */
const REFUSALS: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  ExpiredToken: ['the session of these credentials is over', 'get new ones, for example: aws sso login'],
  InvalidAccessKeyId: ['it does not know the access key', 'check AWS_ACCESS_KEY_ID, or run: aws configure'],
  InvalidToken: ['the session token is not valid', 'check AWS_SESSION_TOKEN, or unset it'],
  RequestTimeTooSkewed: ["this host's clock is not right", 'sudo timedatectl set-ntp true'],
  SignatureDoesNotMatch: [
    'the secret key does not belong to the access key',
    'check AWS_SECRET_ACCESS_KEY, or run: aws configure',
  ],
};

/** Whether the same request may succeed in a moment: the connection broke, or the store is busy. */
export function isPassing(error: unknown): boolean {
  const status = statusOf(error);
  const errno = errnoOf(error) ?? '';
  return (
    status >= 500 ||
    status === 429 ||
    PASSING_NAMES.includes(nameOf(error)) ||
    UNREACHABLE.includes(errno) ||
    BROKEN.includes(errno) ||
    errno === 'UploadDamaged'
  );
}

/**
 * An error of the library in our words. Of the store's answer only the code and the status are repeated: the rest
 * may hold parts of the request, signatures among them.
 */
export function asS3Error(cause: unknown, s3: S3, about: About): unknown {
  if (s3.signal.aborted) return s3.signal.reason;
  if (cause instanceof HostError) return cause;
  return (
    missing(cause, s3, about) ?? refused(cause, s3, about) ?? unreached(cause, s3) ?? other(cause, about)
  );
}

/** Runs a request; its errors come out in our words. */
export async function translated<T>(s3: S3, about: About, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (cause) {
    throw asS3Error(cause, s3, about);
  }
}

/** The name of an object or a bucket in a message. */
export function named({ bucket, key }: About): string {
  return key === undefined ? `bucket '${bucket}'` : `'${formatS3Url({ bucket, key })}'`;
}

/** The store's code for what went wrong: `NoSuchKey`, say. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

function missing(cause: unknown, s3: S3, about: About): HostError | undefined {
  const name = nameOf(cause);
  if (name === 'NoSuchBucket')
    return new HostError('NoSuchBucket', `the bucket '${about.bucket}' does not exist at ${s3.name}`, {
      hint: `aws s3 ls${s3.endpoint === undefined ? '' : ` --endpoint-url ${s3.endpoint}`}`,
    });
  // A HEAD request's answer has no body, so nothing says whether the bucket or the object is missing.
  if (name === 'NoSuchKey' || (statusOf(cause) === 404 && name === 'NotFound'))
    return new HostError('NoSuchKey', `${named(about)} does not exist at ${s3.name}`);
  if (statusOf(cause) === 412)
    return new HostError('ObjectChanged', `${named(about)} was replaced while it was read`, {
      hint: 'try again',
    });
  return undefined;
}

function refused(cause: unknown, s3: S3, about: About): HostError | undefined {
  const name = nameOf(cause);
  const refusal = REFUSALS[name];
  if (refusal !== undefined)
    return new HostError(name, `${s3.name} refused the credentials: ${refusal[0]}`, { hint: refusal[1] });
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError') return withoutCredentials(s3);
  if (ELSEWHERE.includes(name) || statusOf(cause) === 301) return elsewhere(cause, about);
  if (name === 'AccessDenied' || statusOf(cause) === 403)
    return new HostError('AccessDenied', `${s3.name} denies these credentials access to ${named(about)}`, {
      hint: "check the bucket's policy, or choose other credentials: AWS_PROFILE=…",
    });
  return undefined;
}

/** The library's own words are not repeated: they may hold the command line of a `credential_process`. */
function withoutCredentials({ name }: S3): HostError {
  const profile = process.env['AWS_PROFILE'];
  if (profile === undefined)
    return new HostError('CredentialsMissing', `there are no credentials for ${name}`, {
      hint: `set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (${SUDO}), or run: aws configure`,
    });
  return new HostError(
    'CredentialsMissing',
    `the profile '${profile}' has no valid credentials for ${name}`,
    {
      hint: `aws configure --profile ${profile}, or aws sso login --profile ${profile}`,
    },
  );
}

function elsewhere(cause: unknown, { bucket }: About): HostError {
  const region = regionOf(cause);
  return new HostError(
    'WrongRegion',
    `the bucket '${bucket}' is ${region === undefined ? 'not in this region' : `in ${region}`}`,
    { hint: `set AWS_REGION${region === undefined ? '' : `=${region}`}` },
  );
}

function unreached(cause: unknown, { name }: S3): HostError | undefined {
  const errno = errnoOf(cause) ?? '';
  if (/CERT|SELF_SIGNED|UNABLE_TO_/.test(errno))
    return new HostError('CertificateNotTrusted', `the certificate of ${name} is not trusted: ${errno}`, {
      hint: 'with an authority of your own: NODE_EXTRA_CA_CERTS=/path/to/its/certificate.pem',
      cause,
    });
  const isSilent = nameOf(cause) === 'TimeoutError' && !BROKEN.includes(errno);
  if (!UNREACHABLE.includes(errno) && !isSilent) return undefined;
  return new HostError('Unreachable', `${name} cannot be reached: ${reasonOf(cause)}`, {
    hint: 'check the network, or set AWS_ENDPOINT_URL_S3 to the right address',
    cause,
  });
}

function other(cause: unknown, about: About): HostError {
  return new HostError('S3RequestFailed', `the request for ${named(about)} failed: ${reasonOf(cause)}`, {
    hint: 'try again',
  });
}

/** Why something failed, in a few words. With a status it is the store's answer; else it comes from this host. */
export function reasonOf(cause: unknown): string {
  const status = statusOf(cause);
  if (status !== 0) return `the store answered '${nameOf(cause).replace(/[^\w.-]/g, '')}' (status ${status})`;
  const errno = errnoOf(cause);
  if (nameOf(cause) === 'TimeoutError') return errno ?? 'no answer';
  // The system's codes say it all, Node's own (ERR_…) do not.
  return errno === undefined || errno.startsWith('ERR_') || cause instanceof HostError
    ? messageOf(cause)
    : errno;
}

interface Answered {
  readonly Region?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

function statusOf(error: unknown): number {
  return (error as Answered | undefined)?.$metadata?.httpStatusCode ?? 0;
}

function regionOf(error: unknown): string | undefined {
  const { Region, $response } = error as Answered;
  const region = $response?.headers?.['x-amz-bucket-region'] ?? Region;
  return typeof region === 'string' && /^[a-z0-9-]{1,63}$/.test(region) ? region : undefined;
}
