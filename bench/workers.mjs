// How much faster two worker threads are than one where cryptography is the limit: JSON documents with 100 secrets
// each, n8n's GCM form, on a throwaway PostgreSQL.
//   npm run build && node bench/workers.mjs [documents] [repeats]
// With TMPDIR=/dev/shm PostgreSQL's disk is memory, and does not limit it.
// On two cores PostgreSQL, the coordinator and V8's helper threads share them with the workers. Two workers, 1,000,000
// secrets, CPU seconds: workers 14.7, V8's helpers 2.8 (a third each freeing buffers, collecting, compiling), PostgreSQL 4.0,
// coordinator 0.6. One worker's helpers run on the idle core for nothing.
// Measured: 3,000 documents on disk 6.2 s and 4.35 s, 1.42 times; 10,000 in memory 1.45 to 1.63 times, best 18.95 s and 11.63 s.
import '../test/support/typescript.mjs';
import { execFile } from 'node:child_process';
import { createCipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';

const documents = Number(process.argv[2] ?? 3000);
const repeats = Number(process.argv[3] ?? 3);
const secretsEach = 100;
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const job = fileURLToPath(new URL('./documents.yaml', import.meta.url));
const { startPostgres } = await import('../test/support/postgres.ts');

const folder = mkdtempSync(join(tmpdir(), 'keyturn-bench-'));
const server = await startPostgres();
try {
  const times = { 1: [], 2: [] };
  // In turn, so that a machine whose speed drifts is fair to both
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const workers of [1, 2]) times[workers].push(await measure(workers, `${repeat}-${workers}`));
  }
  const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
  for (const workers of [1, 2]) {
    const seconds = median(times[workers]);
    const rate = Math.round((documents * secretsEach) / seconds);
    console.log(
      `${workers} worker(s): ${seconds.toFixed(2)} s to rotate, ${rate} secrets/s (median of ${repeats})`,
    );
  }
  console.log(`speed-up: ${(median(times[1]) / median(times[2])).toFixed(2)}`);
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Seconds from `rotating` to `rotated`, as the run's own history tells. */
async function measure(workers, name) {
  const url = await makeDatabase(`bench_${name.replace('-', '_')}`);
  const current = join(folder, 'current.key');
  writeFileSync(current, 'the key of the benchmark', { mode: 0o600 });
  const args = ['rotate', '--job', job, '--database', url, '--current-key-file', current];
  args.push('--new-key-file', join(folder, `${name}.key`), '--report-dir', join(folder, name));
  args.push('--workers', String(workers), '--chunk-rows', '50');
  args.push('--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase');
  await promisify(execFile)(process.execPath, [cli, ...args], { cwd: folder });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query(
    "select event, at from keyturn_event where event in ('rotating', 'rotated')",
  );
  await client.end();
  const at = (event) => Date.parse(rows.find((row) => row.event === event).at);
  return (at('rotated') - at('rotating')) / 1000;
}

async function makeDatabase(name) {
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  await admin.query(`create database ${name}`);
  await admin.end();
  const url = server.url.replace(/\/postgres$/, `/${name}`);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('create table document (id int primary key, body text not null, canary text not null)');
  const sealed = Array.from({ length: secretsEach }, (_, i) =>
    seal(`secret number ${i} of this document, about 60 bytes long`),
  );
  const body = JSON.stringify(sealed.map((value, i) => ({ name: `variable ${i}`, value })));
  const canary = seal('canary');
  await client.query('insert into document select i, $1, $2 from generate_series(1, $3::int) i', [
    body,
    canary,
    documents,
  ]);
  await client.end();
  return url;
}

function seal(text) {
  const salt = randomBytes(32);
  const hashed = createHash('sha256').update('the key of the benchmark', 'utf8').digest();
  const derived = Buffer.from(hkdfSync('sha256', hashed, salt, 'n8n-encryption-v1', 44));
  const cipher = createCipheriv('aes-256-gcm', derived.subarray(0, 32), derived.subarray(32));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.of(1), salt, cipher.getAuthTag(), sealed]).toString('base64');
}
