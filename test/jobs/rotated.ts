import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as keyturn from '../../src/index.ts';
import { assertDeclared } from '../../src/inventory/undeclared.ts';

const worker = new URL('../../dist/worker-thread.js', import.meta.url);

export interface Rotated {
  /** The content of the new key's file. */
  readonly newKey: string;
  readonly state: string;
  readonly report: keyturn.Report;
}

/** Rotates a database with a job, in this process, as docs/library.md shows it. */
export async function rotated(folder: string, job: string, url: string, oldKey: string): Promise<Rotated> {
  const [current, next] = [join(folder, 'old.key'), join(folder, 'new.key')];
  writeFileSync(current, oldKey, { mode: 0o600 });
  const site = await keyturn.openSite(url, { workers: 1, workerEntry: worker });
  const lock = await site.database.lockRun();
  try {
    const catalog = await site.database.catalog();
    const fitted = keyturn.resolveJob(keyturn.loadJob(job, keyturn.formatNames), catalog);
    const { key } = keyturn.readKeyFile(current, fitted.key);
    const plan = keyturn.newKey({ file: next, current: key, retired: [] }, fitted);
    const keys = { current: key, next: plan.key };
    const found = await keyturn.preflight(site.database, catalog, fitted, keys);
    assertDeclared(found.inventory.undeclared);
    const run = await keyturn.beginRun(site, lock, {
      current: key,
      next: plan,
      found,
      options: keyturn.defaultOptions,
      authority: { operator: 'a test' },
    });
    const { id, state } = await keyturn.finishRun(site, lock, run, keys);
    const report = await keyturn.buildReport(site.database.knex, id);
    return { newKey: readFileSync(next, 'utf8').trim(), state, report };
  } finally {
    await lock.release();
    await site.database.close();
  }
}
