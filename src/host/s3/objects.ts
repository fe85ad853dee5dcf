import type { S3 } from './client.ts';
import { translated } from './errors.ts';
import { type S3Url, requireBucketName } from './s3-url.ts';

export interface ObjectHead {
  readonly length: number;
  readonly etag: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly contentType: string | undefined;
  readonly lastModified: Date | undefined;
}

/** What is known of an object, without its bytes. Throws `NoSuchKey`, also when the bucket is what is missing. */
export async function headObject(s3: S3, place: S3Url): Promise<ObjectHead> {
  const answer = await translated(s3, place, () =>
    s3.client.send(new s3.sdk.HeadObjectCommand({ Bucket: place.bucket, Key: place.key }), {
      abortSignal: s3.signal,
    }),
  );
  return {
    length: answer.ContentLength ?? 0,
    etag: bareEtag(answer.ETag),
    metadata: answer.Metadata ?? {},
    contentType: answer.ContentType,
    lastModified: answer.LastModified,
  };
}

/** The object is gone when this returns; one that never was is gone too. */
export async function deleteObject(s3: S3, place: S3Url): Promise<void> {
  await translated(s3, place, () =>
    s3.client.send(new s3.sdk.DeleteObjectCommand({ Bucket: place.bucket, Key: place.key }), {
      abortSignal: s3.signal,
    }),
  );
}

export interface ListedObject {
  readonly key: string;
  readonly length: number;
  readonly etag: string;
  readonly lastModified: Date | undefined;
}

export interface ListOptions {
  /** Objects per request; the store's own limit, usually 1000, when not given. */
  readonly pageSize?: number;
}

/** The objects whose keys begin with `prefix`, in the store's order; a page is asked for when it is needed. */
export async function* listObjects(
  s3: S3,
  bucket: string,
  prefix = '',
  { pageSize }: ListOptions = {},
): AsyncGenerator<ListedObject> {
  const common = { Bucket: requireBucketName(bucket), Prefix: prefix, MaxKeys: pageSize };
  for (let token: string | undefined, isFirst = true; isFirst || token !== undefined; isFirst = false) {
    const command = new s3.sdk.ListObjectsV2Command({ ...common, ContinuationToken: token });
    const page = await translated(s3, { bucket }, () => s3.client.send(command, { abortSignal: s3.signal }));
    for (const { Key, Size, ETag, LastModified } of page.Contents ?? [])
      if (Key !== undefined)
        yield { key: Key, length: Size ?? 0, etag: bareEtag(ETag), lastModified: LastModified };
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  }
}

/** An ETag without the quotes it travels in. */
export function bareEtag(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '');
}
