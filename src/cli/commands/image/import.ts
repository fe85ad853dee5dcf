import { ARCHITECTURES, BOOT_MODES } from '../../../core/architecture.ts';
import { FIRST_BOOTS } from '../../../core/first-boot.ts';
import { UsageError } from '../../../core/errors.ts';
import { defineCommand } from '../../define-command.ts';
import { printImage } from './print-images.ts';

const FORMATS = ['qcow2', 'raw', 'vmdk', 'vhd', 'vhdx', 'vdi'] as const;

/** For every command that talks to an S3 store. */
export const S3_OPTIONS = {
  'endpoint-url': {
    type: 'string',
    describe: "an S3-compatible store's address; without it AWS_ENDPOINT_URL, then Amazon's",
  },
  region: { type: 'string', describe: "the store's region" },
} as const;

export const import_ = defineCommand({
  command: 'import <source>',
  describe: 'make an image of a disk: a file, an address, an S3 object, or - for standard input',
  positionals: {
    source: { type: 'string', describe: 'path, http(s)://…, s3://bucket/key, or -' },
  },
  options: {
    name: { alias: 'n', type: 'string', describe: "name; without it the file's" },
    description: { type: 'string', describe: 'a sentence about it' },
    sha256: { type: 'string', describe: 'what the file must be, as hexadecimal digits' },
    sha512: { type: 'string', describe: 'the same by SHA-512' },
    checksum: {
      type: 'string',
      describe: "the publisher's checksum file, path or address, that says what the file must be",
    },
    architecture: { choices: ARCHITECTURES, describe: 'of its programs; without it found on the disk' },
    'boot-mode': { choices: BOOT_MODES, describe: 'firmware that it boots by; without it found on the disk' },
    'root-device': {
      type: 'string',
      defaultDescription: '/dev/xvda',
      describe: "EC2's name of its root device",
    },
    user: { type: 'string', describe: 'login of its default user; without it found on the disk' },
    'first-boot': {
      choices: FIRST_BOOTS,
      describe: 'what configures it at its first boot; without it found on the disk',
    },
    override: { type: 'boolean', describe: 'believe you even where the disk says otherwise' },
    format: { choices: FORMATS, describe: 'take the disk as this format' },
    'allow-host': {
      type: 'string',
      array: true,
      nargs: 1,
      describe: 'a host in your own network that may be read from; repeatable',
    },
    ...S3_OPTIONS,
  },
  examples: [
    ['image import fedora.qcow2', 'qcow2, raw, VMDK, VHD, VHDX and VDI; .gz, .xz, .zst and .bz2 of them'],
    ['image import appliance.ova', 'an OVA, or a tar bundle made by image export'],
    [
      'image import https://example.org/disk.img.xz --sha256 5f3a…',
      'downloaded, verified, unpacked in one go',
    ],
    ['image import s3://images/web.bin', 'from any S3-compatible store (--endpoint-url)'],
    ['image import - --name moved < disk.raw', 'from standard input'],
  ],
  epilogue:
    'The disk is looked at closely before anything else opens it. Architecture, boot mode, first boot and default user are read from it; where your word differs, that is an error (--override).',
  handler: async (args, { out, open }) => {
    const { importImage } = await import('../../../ec2/images/import-image.ts');
    const { parseChecksumOption } = await import('../../../ec2/images/sources/checksum-option.ts');
    const checksum = parseChecksumOption({
      sha256: args.sha256,
      sha512: args.sha512,
      checksum: args.checksum,
    });
    const ctx = open();
    const image = await importImage(ctx, {
      source: String(args['source']),
      ...(args['source'] === '-' ? { stdin: standardInput() } : {}),
      // qemu-img's own name for it is the first program's that wrote it.
      format: args.format === 'vhd' ? 'vpc' : args.format,
      checksum,
      override: args.override === true,
      allowedHosts: args['allow-host'],
      s3: { endpoint: args['endpoint-url'], region: args.region },
      said: {
        name: args.name,
        description: args.description,
        architecture: args.architecture,
        bootMode: args['boot-mode'],
        rootDeviceName: args['root-device'],
        defaultUser: args.user,
        firstBoot: args['first-boot'],
      },
    });
    await printImage(ctx, out, image.imageId);
  },
});

function standardInput(): NodeJS.ReadStream {
  if (process.stdin.isTTY)
    throw new UsageError('standard input is a terminal; a disk is not typed', {
      hint: 'bonami image import - --name NAME < disk.raw',
    });
  return process.stdin;
}
