import { generateKeyPairSync } from 'node:crypto';
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { checkReport } from '../../src/report/check-report.ts';
import { buildReport, type Report } from '../../src/report/report.ts';
import { writeReport } from '../../src/report/write.ts';
import { Random } from '../support/random.ts';
import { verifiedRun } from './recorded-run.ts';

const signer = generateKeyPairSync('ed25519');
const other = generateKeyPairSync('ed25519');
const names = ['report.txt', 'report.json', 'report.html'];

let folder: string;
let report: Report;
let dir: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyturn-check-'));
  const recorded = await verifiedRun();
  report = await buildReport(recorded.database.knex, recorded.run.id, true);
  await recorded.close();
  await writeReport(join(folder, 'signed'), report, signer.privateKey);
  await writeReport(join(folder, 'unsigned'), report);
});
beforeEach(async () => {
  dir = join(folder, 'copy');
  await rm(dir, { recursive: true, force: true });
  await cp(join(folder, 'signed'), dir, { recursive: true });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const altered = (message: RegExp) => ({ code: 'report-altered', message: expect.stringMatching(message) });

test('an intact report is told from one whose signer is not checked, and from one that is not signed', async () => {
  const found = { run: report.run.id, files: names };
  expect(await checkReport(dir, signer.publicKey)).toEqual({ ...found, signature: 'signed' });
  expect(await checkReport(dir, null)).toEqual({ ...found, signature: 'unchecked' });
  expect(await checkReport(join(folder, 'unsigned'), null)).toEqual({ ...found, signature: 'unsigned' });
  expect(await checkReport(join(dir, 'report.html'), null)).toMatchObject({ files: ['report.html'] });
});

test.each([...names, 'report.sig'])('any changed byte of %s is noticed', async (name) => {
  const path = join(dir, name);
  const bytes = await readFile(path);
  const random = new Random(name);
  for (let i = 0; i < 40; i++) {
    const changed = Buffer.from(bytes);
    const at = random.below(bytes.length);
    // White space outside of strings does not change what report.sig says
    if (name === 'report.sig' && /\s/.test(String.fromCharCode(changed[at] ?? 0))) continue;
    changed[at] = (changed[at] ?? 0) ^ (1 + random.below(255));
    await writeFile(path, changed);
    await expect(checkReport(dir, signer.publicKey)).rejects.toMatchObject({ code: 'report-altered' });
  }
});

describe('somebody who writes report.sig anew', () => {
  async function rewritten(change: (report: Report) => unknown): Promise<void> {
    const changed = structuredClone(report);
    change(changed);
    await writeReport(dir, changed, other.privateKey);
  }

  test('does not have the key of the signer', async () => {
    await rewritten((each) => Object.assign(each.verdict, { text: 'VERIFIED: really' }));
    expect(await checkReport(dir, null)).toMatchObject({ signature: 'unchecked' });
    await expect(checkReport(dir, signer.publicKey)).rejects.toMatchObject(altered(/not that of this key/));
  });

  test('cannot leave the signature out', async () => {
    await writeReport(dir, report);
    await expect(checkReport(dir, signer.publicKey)).rejects.toMatchObject(altered(/no signature/));
  });
});

test('an event that is removed from the history is noticed, even if the digest of the file fits', async () => {
  const sealed = JSON.parse(await readFile(join(folder, 'unsigned', 'report.sig'), 'utf8'));
  const shorter = { ...report, history: report.history.slice(1) };
  await writeReport(dir, shorter);
  const fitting = JSON.parse(await readFile(join(dir, 'report.sig'), 'utf8'));
  await writeFile(join(dir, 'report.sig'), JSON.stringify({ ...fitting, history: sealed.history }));
  await expect(checkReport(dir, null)).rejects.toMatchObject(altered(/event of the history/));
});

test('a file that is missing or of no report is named', async () => {
  await rename(join(dir, 'report.txt'), join(dir, 'other.txt'));
  await expect(checkReport(dir, null)).rejects.toMatchObject(altered(/report.txt: it is missing/));
  await expect(checkReport(join(dir, 'other.txt'), null)).rejects.toMatchObject({ code: 'bad-option' });
  await expect(checkReport(join(dir, 'nowhere'), null)).rejects.toMatchObject({ code: 'bad-option' });
});
