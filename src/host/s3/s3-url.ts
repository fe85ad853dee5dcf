import { isIPv4 } from 'node:net';
import { HostError } from '../../core/errors.ts';

/** The place of an object: a bucket, and a key in it. */
export interface S3Url {
  readonly bucket: string;
  readonly key: string;
}

const MAX_KEY_BYTES = 1024;
/** Amazon S3 User Guide, "General purpose bucket naming rules": these name other things than buckets. */
const RESERVED_PREFIXES = ['xn--', 'sthree-', 'amzn-s3-demo-'];
const RESERVED_SUFFIXES = ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3'];

/**
 * Parses `s3://bucket/key`. The key is everything after the bucket, as it is: nothing is decoded, as in the AWS CLI.
 * Throws `InvalidS3Url`.
 */
export function parseS3Url(text: string): S3Url {
  const [, bucket, key] = /^s3:\/\/([^/]*)(?:\/(.*))?$/s.exec(text) ?? [];
  if (bucket === undefined) throw invalid(`'${printable(text)}' is not an S3 URL`);
  const place = { bucket: requireBucketName(bucket), key: key ?? '' };
  const fault = faultOfKey(place.key);
  if (fault !== undefined) throw invalid(`'${printable(text)}' ${fault}`);
  return place;
}

/** `s3://bucket/key`, the way back. */
export function formatS3Url({ bucket, key }: S3Url): string {
  return `s3://${bucket}/${key}`;
}

/**
 * The name, when it follows Amazon's rules for buckets (User Guide, "General purpose bucket naming rules"); other
 * stores' rules are the same or narrower. Throws `InvalidS3Url`.
 */
export function requireBucketName(name: string): string {
  const isWellFormed =
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes('..') && !isIPv4(name);
  if (!isWellFormed)
    throw invalid(
      `'${printable(name)}' is not a bucket's name: 3 to 63 lower-case letters, digits, hyphens and single dots`,
    );
  const reserved =
    RESERVED_PREFIXES.find((prefix) => name.startsWith(prefix)) ??
    RESERVED_SUFFIXES.find((suffix) => name.endsWith(suffix));
  if (reserved !== undefined)
    throw invalid(`'${printable(name)}' is not a bucket's name: '${reserved}' is reserved`);
  return name;
}

/**
 * User Guide, "Naming Amazon S3 objects": up to 1024 bytes of UTF-8. Amazon advises against control characters and
 * restricts `.` and `..` between slashes, which stores on file systems and proxies on the way resolve; we refuse both.
 */
function faultOfKey(key: string): string | undefined {
  const bytes = Buffer.from(key);
  if (bytes.length === 0) return 'names no object: the key after the bucket is missing';
  if (bytes.length > MAX_KEY_BYTES) return `has a key of ${bytes.length} bytes; ${MAX_KEY_BYTES} are allowed`;
  if (bytes.toString() !== key) return 'has a key that is not valid Unicode';
  if (/\p{Cc}/u.test(key)) return 'has a control character in its key';
  if (key.split('/').some((part) => part === '.' || part === '..')) return "has a '.' or '..' in its key";
  return undefined;
}

function invalid(message: string): HostError {
  return new HostError('InvalidS3Url', message, { hint: 'like s3://my-bucket/images/disk.qcow2' });
}

/** What was typed, short and without anything that a terminal would obey. */
function printable(text: string): string {
  const safe = text.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '\u{FFFD}');
  return safe.length > 100 ? `${safe.slice(0, 100)}…` : safe;
}
