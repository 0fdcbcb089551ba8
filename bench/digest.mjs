// Cost of the row digests of one chunk: `npm run build && node bench/digest.mjs [rows] [bytes]`.
import { randomBytes } from 'node:crypto';
import { digestAll, Messages } from '../dist/chunk/digest.js';
import { addRow } from '../dist/chunk/evidence.js';

const rows = Number(process.argv[2] ?? 2000);
const bytes = Number(process.argv[3] ?? 60);
const key = randomBytes(32);
const table = Array.from({ length: rows }, (_, i) => ({
  row: { id: [`row-${String(i).padStart(12, '0')}`], values: [] },
  evidence: [{ kind: 'plaintext', column: 'data', path: '', bytes: randomBytes(bytes) }],
}));

const times = [];
for (let round = 0; round < 60; round++) {
  const started = process.hrtime.bigint();
  const messages = new Messages();
  for (const { row, evidence } of table) addRow(messages, row, evidence);
  digestAll(key, messages);
  times.push(Number(process.hrtime.bigint() - started) / rows / 1000);
}
times.sort((a, b) => a - b);
const at = (share) => times[Math.floor(times.length * share)].toFixed(2);
console.log(`${rows} rows of ${bytes} bytes: ${at(0.5)} µs a row (median), ${at(0)} best, ${at(0.95)} p95`);
