import { expect, test } from 'vitest';
import { formatS3Url, parseS3Url, requireBucketName } from '../../../../src/host/s3/s3-url.ts';

test.each([
  ['s3://my-bucket/disk.qcow2', 'my-bucket', 'disk.qcow2'],
  ['s3://a.b-c.9/images/2026/disk.raw', 'a.b-c.9', 'images/2026/disk.raw'],
  // Nothing is decoded: these are the key.
  ['s3://my-bucket/a%20b?c#d', 'my-bucket', 'a%20b?c#d'],
  ['s3://my-bucket/grüße/ディスク', 'my-bucket', 'grüße/ディスク'],
  ['s3://my-bucket//leading', 'my-bucket', '/leading'],
  ['s3://my-bucket/folder/', 'my-bucket', 'folder/'],
  ['s3://my-bucket/..hidden/a...b', 'my-bucket', '..hidden/a...b'],
  [`s3://my-bucket/${'k'.repeat(1024)}`, 'my-bucket', 'k'.repeat(1024)],
])('%s', (text, bucket, key) => {
  expect(parseS3Url(text)).toEqual({ bucket, key });
  expect(formatS3Url({ bucket, key })).toBe(text);
});

test.each([
  ['my-bucket/key', 'is not an S3 URL'],
  ['S3://my-bucket/key', 'is not an S3 URL'],
  ['https://my-bucket.s3.amazonaws.com/key', 'is not an S3 URL'],
  ['s3://my-bucket', 'the key after the bucket is missing'],
  ['s3://my-bucket/', 'the key after the bucket is missing'],
  ['s3:///key', "'' is not a bucket's name"],
  [`s3://my-bucket/${'k'.repeat(1025)}`, 'a key of 1025 bytes'],
  [`s3://my-bucket/${'ü'.repeat(513)}`, 'a key of 1026 bytes'],
  ['s3://my-bucket/a\nb', 'a control character'],
  ['s3://my-bucket/a\u{9b}b', 'a control character'],
  ['s3://my-bucket/a\u{d800}b', 'not valid Unicode'],
  ['s3://my-bucket/a/../b', "a '.' or '..'"],
  ['s3://my-bucket/./b', "a '.' or '..'"],
  ['s3://user:secret@my-bucket/key', "is not a bucket's name"],
])('%j is refused: %s', (text, why) => {
  expect(() => parseS3Url(text)).toThrow(
    expect.objectContaining({ code: 'InvalidS3Url', message: expect.stringContaining(why) }),
  );
});

test.each([
  'ab',
  'a'.repeat(64),
  'My-Bucket',
  'my_bucket',
  '-bucket',
  'bucket-',
  'bucket.',
  'my..bucket',
  '192.168.5.4',
  'xn--bucket',
  'sthree-configurator',
  'amzn-s3-demo-bucket',
  'bucket-s3alias',
  'bucket--ol-s3',
  'bucket.mrap',
  'bucket--use1-az4--x-s3',
  'bucket--table-s3',
  'bucket\n',
])('%j is not a bucket', (name) => {
  expect(() => requireBucketName(name)).toThrow("is not a bucket's name");
});

test('what a terminal would obey is not repeated', () => {
  expect(() => parseS3Url('s3://my-bucket/\u{1b}[2J')).toThrow("'s3://my-bucket/\u{fffd}[2J' has a control");
});
