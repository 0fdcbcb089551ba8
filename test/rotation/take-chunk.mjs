// `node take-chunk.mjs <chunk>`, settings as JSON on stdin: a worker in a process of its own takes one chunk.
import { readFileSync } from 'node:fs';
import { Key } from '../../dist/keys/key.js';
import { ChunkWorker } from '../../dist/rotation/workers/worker.js';

const { oldKey, newKey, ...settings } = JSON.parse(readFileSync(0, 'utf8'));
const worker = await ChunkWorker.open({
  ...settings,
  oldKey: Key.fromText(oldKey),
  newKey: Key.fromText(newKey),
});
await worker.take(Number(process.argv[2]));
await worker.close();
