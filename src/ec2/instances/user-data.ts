import { gunzipSync } from 'node:zlib';
import { Ec2Error } from '../../core/errors.ts';

/** AWS: "Run commands when you launch an EC2 instance": before it is encoded. */
export const USER_DATA_LIMIT = 16_384;
/** What compressed user data may unpack to before we stop looking. */
const INSPECTED = 4 * 2 ** 20;

export type UserDataKind =
  | 'cloud-config'
  | 'script'
  | 'mime'
  | 'include'
  | 'jinja'
  | 'boothook'
  | 'part-handler'
  | 'unknown';

export interface UserData {
  readonly kind: UserDataKind;
  readonly compressed: boolean;
  /** What looks wrong; cloud-init decides in the end. */
  readonly warnings: readonly string[];
}

/** cloud-init documentation, "User data formats": told by the first line. */
const FIRST_LINES: readonly (readonly [RegExp, UserDataKind])[] = [
  [/^#cloud-config(?:-archive)?\b/, 'cloud-config'],
  [/^#!/, 'script'],
  [/^(?:Content-Type|MIME-Version|From|Message-ID):/i, 'mime'],
  [/^#include\b/, 'include'],
  [/^## template: jinja/, 'jinja'],
  [/^#cloud-boothook\b/, 'boothook'],
  [/^#part-handler\b/, 'part-handler'],
];

/** Looks at user data without running anything. Throws EC2's error when it is too large. */
export async function parseUserData(bytes: Buffer): Promise<UserData> {
  if (bytes.length > USER_DATA_LIMIT)
    throw new Ec2Error(
      'InvalidParameterValue',
      `User data is limited to ${USER_DATA_LIMIT} bytes; this is ${bytes.length}`,
      {
        hint: 'compress it with gzip, or have it fetch the rest',
      },
    );
  const compressed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const content = compressed ? unpack(bytes) : bytes;
  if (content === undefined)
    return { kind: 'unknown', compressed, warnings: ['it begins like gzip, but cannot be unpacked'] };
  const text = content.toString('utf8');
  const [first = ''] = text.replace(/^\uFEFF/, '').split('\n');
  const kind = FIRST_LINES.find(([pattern]) => pattern.test(first))?.[1] ?? 'unknown';
  return { kind, compressed, warnings: await warningsFor(kind, text, first) };
}

function unpack(bytes: Buffer): Buffer | undefined {
  try {
    return gunzipSync(bytes, { maxOutputLength: INSPECTED });
  } catch {
    return undefined;
  }
}

async function warningsFor(kind: UserDataKind, text: string, first: string): Promise<readonly string[]> {
  const warnings: string[] = [];
  if (text.startsWith('\uFEFF'))
    warnings.push('it begins with a byte order mark, which hides its first line from cloud-init');
  if (kind === 'script' && first.endsWith('\r'))
    warnings.push('its first line ends with a carriage return (CRLF): the interpreter will not be found');
  if (kind === 'unknown')
    warnings.push(
      `its first line '${first.trim().slice(0, 60)}' is no format that cloud-init knows: #cloud-config, #!, MIME, …`,
    );
  if (kind === 'cloud-config') warnings.push(...(await yamlProblems(text, first)));
  return warnings;
}

async function yamlProblems(text: string, first: string): Promise<readonly string[]> {
  const { parseDocument, isMap, isSeq } = await import('../../core/yaml.ts');
  const document = parseDocument(text, { version: '1.1', prettyErrors: true });
  const [error] = document.errors;
  if (error) return [`it is not valid YAML: ${error.message.split('\n')[0]}`];
  if (document.contents === null) return [];
  if (first.startsWith('#cloud-config-archive'))
    return isSeq(document.contents) ? [] : ['a cloud-config-archive is a list of parts, and this is none'];
  return isMap(document.contents) ? [] : ['a cloud-config is a mapping of keys to values, and this is none'];
}
