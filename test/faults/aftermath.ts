import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { keyturn } from '../commands/keyturn.ts';
import { openDeploymentKey, openLegacy } from '../support/n8n/decrypt.ts';
import { expectMany, type Many, manyPlain } from '../support/n8n/many.ts';
import { withStore } from '../support/n8n/store.ts';
import { deploymentKeyRows } from '../support/n8n/truth.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Ground } from './grounds.ts';
import type { Hands } from './hands.ts';
import type { Processes } from './processes.ts';
import type { SmallDisk } from './small-disk.ts';

export interface Aftermath {
  readonly ground: Ground;
  readonly hands: Hands;
  readonly checkpoint: Checkpoint;
  readonly processes: Processes;
  readonly many: Many;
  readonly folder: string;
  readonly disk: SmallDisk | null;
  readonly oldKey: string;
  readonly newKey: string;
}

const most = 20;
const lettingGoMs = 30_000;

/** What is wrong after a rotation. Empty when the result is the same as without faults. */
export async function aftermath(of: Aftermath): Promise<string[]> {
  const { ground, processes, many, newKey, checkpoint } = of;
  const problems = [
    ...processes.problems(),
    ...processes.left(),
    ...(await expectMany(ground.place, newKey, many)),
    ...(await underTheOldKey(of)),
    ...(await chunks(of)),
    ...(await tallies(of)),
    ...(await report(of)),
    ...files(of),
  ];
  await checkpoint.close();
  return [...problems, ...ground.leftovers().map((name) => `${name} is left`), ...(await connections(of))];
}

async function underTheOldKey({ ground, many, oldKey, newKey }: Aftermath): Promise<string[]> {
  const { credentials, bytes } = many;
  const found: string[] = [];
  await withStore(ground.place, async (store) => {
    for (const { id, data } of await store.rows('select id, data from credentials_entity')) {
      const plain = manyPlain(Number(String(id).slice(4)), bytes);
      if (opens(() => openLegacy(String(data), oldKey).toString('utf8') === plain))
        found.push(`${id} is encrypted with the old key`);
    }
    const rows = await deploymentKeyRows(store);
    for (const row of rows.filter(({ type }) => type !== 'instance.id'))
      if (opens(() => openDeploymentKey(row, oldKey) !== ''))
        found.push(`deployment_key ${row.id} is encrypted with the old key`);
    const [ldap] = await store.rows(`select value from settings where "key" = 'features.ldap'`);
    const { bindingAdminPassword } = JSON.parse(String(ldap?.value));
    if (!opens(() => openLegacy(bindingAdminPassword, newKey).toString('utf8') === 'many-ldap-password'))
      found.push('the LDAP password is not encrypted with the new key');
    const [all] = await store.rows('select count(*) as n from credentials_entity');
    if (Number(all?.n) !== credentials) found.push(`${all?.n} credentials`);
  });
  return found.slice(0, most);
}

/** Only a claim that commits and a failure that was logged count as attempts. */
async function chunks({ checkpoint, processes }: Aftermath): Promise<string[]> {
  const problems: string[] = [];
  const told = processes.logged();
  for (const { chunk, state, attempts, ...counts } of await checkpoint.chunks()) {
    if (state === 'split') continue;
    const { rotated = 0, failed = 0 } = told.get(Number(chunk)) ?? {};
    if (state !== 'verified') problems.push(`chunk ${chunk} is ${state}`);
    if (Number(attempts) < 1 || Number(attempts) > 1 + failed)
      problems.push(`chunk ${chunk} has ${attempts} attempts, ${failed} of them failed`);
    if (rotated > 1) problems.push(`chunk ${chunk} was rotated ${rotated} times`);
    if (counts.row_count !== counts.v_rows || counts.row_count !== counts.v_proven)
      problems.push(`chunk ${chunk} does not reconcile: ${JSON.stringify(counts)}`);
  }
  return problems.slice(0, most);
}

async function tallies({ ground, checkpoint, folder, many }: Aftermath): Promise<string[]> {
  const asked = ['status', '--json', '--database', ground.place.url];
  const { code, stdout, stderr } = await keyturn(asked, { cwd: folder });
  if (code !== 0) return [`status ended with ${code}: ${stderr}`];
  const { report } = JSON.parse(stdout);
  const { valuesAddUp, rowsAccountedFor } = report.totals.reconciliation;
  const problems: string[] = [];
  const run = await checkpoint.run();
  if (report.run.id !== run?.id) problems.push(`status shows run ${report.run.id} instead of ${run?.id}`);
  if (!valuesAddUp || rowsAccountedFor === false) problems.push('the tallies do not reconcile');
  if (report.verdict.result !== 'verified') problems.push(`the verdict is ${report.verdict.result}`);
  const { rows, exceptions } = report.totals.ranges.tally;
  // Besides the credentials there are a setting and five rows of deployment_key, not all of which are read
  if (rows < many.credentials || rows > many.credentials + 6 || exceptions !== 0)
    problems.push(`${rows} rows, ${exceptions} exceptions`);
  return problems;
}

/** The report is written at the end or its absence is reported, unless the process was killed. `keyturn report` writes it later. */
async function report({ ground, checkpoint, processes, disk, folder }: Aftermath): Promise<string[]> {
  const path = join(folder, 'kept', 'report', 'report.json');
  const run = await checkpoint.run();
  const last = processes.coordinator.exits.at(-1);
  const told = last?.stderr.includes('the report could not be written') === true;
  const problems: string[] = [];
  const written = (): boolean =>
    existsSync(path) && JSON.parse(readFileSync(path, 'utf8')).run.id === run?.id;
  const stands = (): boolean =>
    written() && JSON.parse(readFileSync(path, 'utf8')).verdict.result === 'verified';
  disk?.free();
  if (last?.signal === null && last.code === 0 && stands() === told)
    problems.push(`report written: ${stands()}; reported as missing: ${told}`);
  if (stands()) return problems;
  const again = await keyturn(['report', '--database', ground.place.url, '--report-dir', 'kept/report'], {
    cwd: folder,
  });
  if (again.code !== 0 || !stands()) problems.push(`keyturn report failed too: ${again.stderr}`);
  return problems;
}

/** The new key, the secrets that n8n derives from the old key, the report, and no partial files. */
function files({ folder }: Aftermath): string[] {
  const expected = [
    'new.key',
    'new.key.derived-secrets.env',
    'report',
    'report/report.json',
    'report/report.txt',
    'report/report.html',
    'report/report.sig',
  ];
  const found = readdirSync(join(folder, 'kept'), { recursive: true }).map(String);
  return found.filter((name) => !expected.includes(name)).map((name) => `${name} is left`);
}

async function connections({ ground, hands }: Aftermath): Promise<string[]> {
  const giveUpAt = performance.now() + lettingGoMs;
  for (;;) {
    const left = (await ground.connections()) + (await hands.connections());
    if (left === 0) return [];
    if (performance.now() > giveUpAt) return [`${left} connections left`];
    await sleep(50);
  }
}

function opens(work: () => boolean): boolean {
  try {
    return work();
  } catch {
    return false;
  }
}
