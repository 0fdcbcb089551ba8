// `node execute.mjs <URL>`: runs the statements that stand as a JSON array on stdin, on PostgreSQL, MySQL or MariaDB, for
// callers that cannot wait in any other way than for a process.
import { readFileSync } from 'node:fs';
import mysql from 'mysql2/promise';
import pg from 'pg';

const [, , url] = process.argv;
const client = /^postgres/.test(url)
  ? new pg.Client(url)
  : await mysql.createConnection(url.replace(/^mariadb:/, 'mysql:'));
await client.connect();
for (const statement of JSON.parse(readFileSync(0, 'utf8'))) await client.query(statement);
await client.end();
