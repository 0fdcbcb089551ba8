// A writer that acts at once: its statements are committed when `strike` returns, so that a subscriber of the steps of
// a chunk can write exactly between two of them.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Sqlite } from '../../dist/databases/sqlite/driver.js';

export function strike(url, statements) {
  if (url.startsWith('sqlite:')) {
    const database = new Sqlite(url.slice('sqlite:'.length));
    for (const statement of statements) database.exec(statement);
    database.close();
    return;
  }
  const script = fileURLToPath(new URL('./execute.mjs', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [script, url], {
    input: JSON.stringify(statements),
  });
  if (status !== 0) throw new Error(`the concurrent writer failed: ${stderr}`);
}
