declare module 's3rver' {
  import type { IncomingMessage, RequestListener } from 'node:http';
  import type { Readable } from 'node:stream';

  export interface StoredObject {
    readonly bucket: string;
    readonly key: string;
    readonly content: Readable | IncomingMessage;
    readonly metadata: Readonly<Record<string, string>>;
  }

  export interface Store {
    getResourcePath(bucket: string, key: string | undefined, resource: string): string;
    getMetadata(bucket: string, key: string): Promise<Readonly<Record<string, string>>>;
    putMetadata(bucket: string, key: string, metadata: object, md5: string): Promise<void>;
    listObjects(
      bucket: string,
      options: { readonly prefix: string; readonly startAfter: string; readonly maxKeys: number },
    ): Promise<{
      readonly isTruncated: boolean;
      readonly objects: readonly (StoredObject & { size: number })[];
    }>;
    getBucket(bucket: string): Promise<unknown>;
    putObject(object: StoredObject): Promise<{ readonly size: number; readonly md5: string }>;
    putPart(
      bucket: string,
      uploadId: string,
      partNumber: string,
      content: IncomingMessage,
    ): Promise<{ readonly size: number; readonly md5: string }>;
  }

  export default class S3rver {
    constructor(options: {
      readonly directory: string;
      readonly silent?: boolean;
      readonly vhostBuckets?: boolean;
      readonly configureBuckets?: readonly { readonly name: string }[];
    });
    readonly store: Store;
    readonly logger: { close(): void };
    configureBuckets(): Promise<unknown>;
    callback(): RequestListener;
  }
}

declare module 's3rver/lib/models/error.js' {
  export default class S3Error extends Error {
    constructor(code: string, message: string);
    readonly status: number;
    toXML(): string;
  }
}
