// `node execute.mjs <PostgreSQL URL>`: runs the statements that stand as a JSON array on stdin, for callers that
// cannot wait in any other way than for a process.
import { readFileSync } from 'node:fs';
import pg from 'pg';

const client = new pg.Client(process.argv[2]);
await client.connect();
for (const statement of JSON.parse(readFileSync(0, 'utf8'))) await client.query(statement);
await client.end();
