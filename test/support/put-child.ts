// A process that uploads bytes from a stream and prints by how much its memory grew: put-child.ts BUCKET KEY BYTES
import { randomBytes } from 'node:crypto';
import { openS3 } from '../../src/host/s3/client.ts';
import { putObject } from '../../src/host/s3/put-object.ts';

const [bucket = '', key = '', length = ''] = process.argv.slice(2);
/** The same one again and again: what is measured is the upload, not the source. */
const block = randomBytes(65_536);

async function* stream(): AsyncGenerator<Buffer> {
  for (let left = Number(length); left > 0; left -= block.length) yield block.subarray(0, left);
}

const s3 = await openS3({ signal: new AbortController().signal });
// What loading the library costs is not what the upload costs.
await putObject(s3, { bucket, key }, (async function* () {})());
const before = process.memoryUsage.rss();
const result = await putObject(s3, { bucket, key }, stream());
const grown = process.resourceUsage().maxRSS * 1024 - before;
s3.close();
console.log(JSON.stringify({ grown, result }));
