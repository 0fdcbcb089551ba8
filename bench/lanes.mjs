// AES-CBC of many short values, one by one against lanes: `npm run build && node bench/lanes.mjs [values] [bytes] [key bytes]`.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { openCbc, sealCbc } from '../dist/formats/cbc-lanes.js';

const values = Number(process.argv[2] ?? 2000);
const bytes = Number(process.argv[3] ?? 60);
const key = randomBytes(Number(process.argv[4] ?? 16));
const cipher = `aes-${key.length * 8}-cbc`;
const stored = sealCbc(
  key,
  Array.from({ length: values }, () => randomBytes(bytes)),
);

function openOne({ iv, sealed }) {
  const decipher = createDecipheriv(cipher, key, iv);
  return Buffer.concat([decipher.update(sealed), decipher.final()]);
}

function sealOne(plain) {
  const iv = randomBytes(16);
  const one = createCipheriv(cipher, key, iv);
  return { iv, sealed: Buffer.concat([one.update(plain), one.final()]) };
}

const ways = {
  'one by one': () => stored.map(openOne).map(sealOne),
  'in lanes': () => sealCbc(key, openCbc(key, stored)),
};

console.log(`open and seal ${values} values of ${bytes} bytes, ${cipher}`);
for (const [name, work] of Object.entries(ways)) {
  const times = [];
  for (let round = 0; round < 100; round++) {
    const started = process.hrtime.bigint();
    work();
    times.push(Number(process.hrtime.bigint() - started) / values / 1000);
  }
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor(times.length * share)].toFixed(2);
  console.log(`${name}: ${at(0.5)} µs a value (median), ${at(0)} best, ${at(0.95)} p95`);
}
