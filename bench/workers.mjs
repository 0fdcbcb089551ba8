// How much faster two worker threads are than one where cryptography is the limit: JSON documents with 100 secrets
// each, n8n's GCM form, on a throwaway PostgreSQL or on SQLite.
//   npm run build && node bench/workers.mjs [documents] [repeats] [postgres|sqlite]
// With TMPDIR=/dev/shm the database's disk is memory, and does not limit it.
// On two cores PostgreSQL, the coordinator and V8's helper threads share them with the workers; one worker has these on the
// other core for nothing. CPU seconds of two workers, 1,000,000 secrets, SQLite, of 20: workers 16.6, V8's helpers 2.8 (half of it
// freeing the seven array buffers that Node's ciphers make per secret), coordinator 0.4; PostgreSQL takes 4.0 more.
// Measured, 10,000 documents in memory, medians: SQLite 1.76 times (5 repeats: 17.60 s and 10.02 s), PostgreSQL 1.68 (3: 23.33 s
// and 13.90 s). With V8's own young generation (src/queue/thread-pool.ts) it was 1.62 and 1.52 in the same hour.
import '../test/support/typescript.mjs';
import { execFile } from 'node:child_process';
import { createCipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const documents = Number(process.argv[2] ?? 3000);
const repeats = Number(process.argv[3] ?? 3);
const engine = process.argv[4] ?? 'postgres';
const secretsEach = 100;
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const job = fileURLToPath(new URL('./documents.yaml', import.meta.url));
const { createDatabase, startPostgres } = await import('../test/support/postgres.ts');
const { createSqlite } = await import('../test/support/sqlite.ts');

const folder = mkdtempSync(join(tmpdir(), 'keyturn-bench-'));
const server = engine === 'sqlite' ? null : await startPostgres();
try {
  const times = { 1: [], 2: [] };
  // Alternating, so that changes in the speed of the machine affect both
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
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Seconds from `rotating` to `rotated`, from the history of the run. */
async function measure(workers, name) {
  const database = await makeDatabase();
  const current = join(folder, 'current.key');
  writeFileSync(current, 'the key of the benchmark', { mode: 0o600 });
  const args = ['rotate', '--job', job, '--database', database.url, '--current-key-file', current];
  args.push('--new-key-file', join(folder, `${name}.key`), '--report-dir', join(folder, name));
  args.push('--workers', String(workers), '--chunk-rows', '50');
  // The benchmark itself is connected
  args.push('--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase', '--force');
  await promisify(execFile)(process.execPath, [cli, ...args], { cwd: folder });
  const rows = await database.exec(
    "select event, at from keyturn_event where event in ('rotating', 'rotated')",
  );
  await database.close();
  const at = (event) => Date.parse(rows.find((row) => row.event === event).at);
  return (at('rotated') - at('rotating')) / 1000;
}

async function makeDatabase() {
  const database = await (server === null ? createSqlite() : createDatabase(server.url));
  await database.exec('create table document (id int primary key, body text not null, canary text not null)');
  const sealed = Array.from({ length: secretsEach }, (_, i) =>
    seal(`secret number ${i} of this document, about 60 bytes long`),
  );
  const body = JSON.stringify(sealed.map((value, i) => ({ name: `variable ${i}`, value })));
  await database.exec(
    `with recursive number (i) as (select 1 union all select i + 1 from number where i < ${documents})
     insert into document select i, '${body}', '${seal('canary')}' from number`,
  );
  return database;
}

function seal(text) {
  const salt = randomBytes(32);
  const hashed = createHash('sha256').update('the key of the benchmark', 'utf8').digest();
  const derived = Buffer.from(hkdfSync('sha256', hashed, salt, 'n8n-encryption-v1', 44));
  const cipher = createCipheriv('aes-256-gcm', derived.subarray(0, 32), derived.subarray(32));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.of(1), salt, cipher.getAuthTag(), sealed]).toString('base64');
}
