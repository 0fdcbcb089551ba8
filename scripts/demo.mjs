// The first example, in less than a minute: makes a SQLite database like n8n's with 20,000 secrets in .demo/, rotates its
// key, and reads every secret with the new key. npm run demo
import { execFileSync } from 'node:child_process';
import { createCipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Sqlite } from '../dist/databases/sqlite/driver.js';

const secrets = 20_000;
const folder = fileURLToPath(new URL('../.demo/', import.meta.url));
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
const oldKey = randomBytes(24).toString('base64');
writeFileSync(`${folder}old.key`, oldKey, { mode: 0o600 });
console.log(
  `creating ${relative('.', folder)}/database.sqlite, an n8n database with ${secrets.toLocaleString('en-US')} secrets`,
);
make(`${folder}database.sqlite`, oldKey);

keyturn(
  'rotate --job n8n --database sqlite:database.sqlite --current-key-file old.key --new-key-file new.key --report-dir report --iReallyWantToRotateMyMasterKey --iHaveBackedUpMyDatabase',
);
keyturn('verify --database sqlite:database.sqlite --current-key-file new.key --report-dir verification');
const demo = relative('.', folder);
console.log(`
The report of the rotation is ${demo}/report/report.txt. Three commands to try next:

  node dist/cli.js status --database sqlite:${demo}/database.sqlite
  node dist/cli.js scan --job n8n --database sqlite:${demo}/database.sqlite --current-key-file ${demo}/new.key
  node dist/cli.js rotate --dry-run --job n8n --database URL --current-key-file FILE   # a copy of your own database`);

/** Runs the command as a user would type it in the demo's folder. */
function keyturn(words) {
  console.log(`\n$ keyturn ${words}`);
  execFileSync(process.execPath, [cli, ...words.split(' ')], { cwd: folder, stdio: 'inherit' });
}

function make(path, key) {
  const database = new Sqlite(path);
  database.pragma('journal_mode = wal');
  database.exec(`
    create table credentials_entity (id varchar(36) primary key not null, name varchar(128) not null, data text not null, type varchar(128) not null);
    create table workflow_entity (id varchar(36) primary key not null, name varchar(128) not null);
    create table settings (key varchar(255) primary key not null, value text not null);
    create table user (id varchar(36) primary key not null, email varchar(255), mfaSecret text, mfaRecoveryCodes text);
    create table deployment_key (id varchar(36) primary key not null, type varchar(64) not null, value text not null, algorithm varchar(20), status varchar(20) not null);
  `);
  database.transaction(() => {
    const insert = database.prepare('insert into credentials_entity values (?, ?, ?, ?)');
    for (let i = 0; i < secrets; i++) {
      const secret = JSON.stringify({ user: `user-${i}`, password: randomBytes(18).toString('base64') });
      insert.run(`cred${String(i).padStart(12, '0')}`, `credential ${i}`, seal(secret, key), 'httpBasicAuth');
    }
    const keep = database.prepare('insert into deployment_key values (?, ?, ?, ?, ?)');
    keep.run('legacyKey0000001', 'data_encryption', wrap(key, key), 'aes-256-cbc', 'inactive');
    keep.run('instanceId000001', 'instance.id', randomBytes(32).toString('hex'), null, 'active');
    for (const type of ['signing.hmac', 'signing.jwt', 'signing.binary_data']) {
      keep.run(type, type, wrap(randomBytes(32).toString('hex'), key), 'aes-256-gcm', 'active');
    }
  })();
  database.close();
}

/** What n8n stores: OpenSSL's Salted__ form, key and iv by EVP_BytesToKey with MD5. */
function seal(text, key) {
  const salt = randomBytes(8);
  const password = Buffer.from(key, 'latin1');
  const md5 = (...parts) => createHash('md5').update(Buffer.concat(parts)).digest();
  const first = md5(password, salt);
  const second = md5(first, password, salt);
  const cipher = createCipheriv('aes-256-cbc', Buffer.concat([first, second]), md5(second, password, salt));
  return Buffer.concat([Buffer.from('Salted__'), salt, cipher.update(text, 'utf8'), cipher.final()]).toString(
    'base64',
  );
}

/** What n8n stores in deployment_key: AES-256-GCM under the SHA-256 of the instance key. */
function wrap(text, key) {
  const salt = randomBytes(32);
  const hashed = createHash('sha256').update(key, 'utf8').digest();
  const derived = Buffer.from(hkdfSync('sha256', hashed, salt, 'n8n-encryption-v1', 44));
  const cipher = createCipheriv('aes-256-gcm', derived.subarray(0, 32), derived.subarray(32));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.of(1), salt, cipher.getAuthTag(), sealed]).toString('base64');
}
