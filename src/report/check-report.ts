import type { KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KeyturnError } from '../error.ts';
import { chainHead, isSignedBy, parseSeal, type SignedSeal, sha256 } from './signature.ts';

export interface CheckedReport {
  readonly run: string;
  /** Names of the files whose content is as it was written. */
  readonly files: readonly string[];
  /** `unsigned`; `unchecked`: signed, but no public key was named; `signed`: with the key that was named. */
  readonly signature: 'unsigned' | 'unchecked' | 'signed';
}

export const sealName = 'report.sig';

/**
 * Compares the files of a report, or one of them, with the report.sig beside them.
 *
 * @param key public key of the signer; null: none is named, and a valid signature proves only that nothing was changed by
 * somebody without the signer's key
 * @throws KeyturnError `report-altered`; `bad-option`: there is no such report
 */
export async function checkReport(path: string, key: KeyObject | null): Promise<CheckedReport> {
  const isFolder = (await stat(path).catch(() => null))?.isDirectory();
  if (isFolder === undefined) throw missing(path);
  const folder = isFolder ? path : dirname(path);
  const seal = await readSeal(folder);
  const asked = isFolder || basename(path) === sealName ? Object.keys(seal.files) : [basename(path)];
  for (const name of asked) await checkFile(folder, name, seal);
  if (seal.signature === null && key !== null) throw altered(sealName, 'it has no signature');
  if (seal.signature !== null && !isSignedBy(seal, key))
    throw altered(
      sealName,
      key === null ? 'its signature is invalid' : 'its signature is not that of this key',
    );
  return {
    run: seal.run,
    files: asked,
    signature: seal.signature === null ? 'unsigned' : key === null ? 'unchecked' : 'signed',
  };
}

async function readSeal(folder: string): Promise<SignedSeal> {
  const text = await readFile(join(folder, sealName), 'utf8').catch(() => null);
  if (text === null) throw missing(join(folder, sealName));
  const seal = parseSeal(text);
  if (seal === null) throw altered(sealName, 'it is not readable');
  return seal;
}

async function checkFile(folder: string, name: string, { run, files, history }: SignedSeal): Promise<void> {
  const expected = files[name];
  if (expected === undefined || basename(name) !== name)
    throw new KeyturnError('bad-option', `${name} is no file of this report`, {
      hint: `use the folder, or one of ${Object.keys(files).join(', ')}`,
    });
  const content = await readFile(join(folder, name)).catch(() => null);
  if (content === null) throw altered(name, 'it is missing');
  if (sha256(content) !== expected) throw altered(name, 'its content was changed');
  if (!name.endsWith('.json')) return;
  const report = JSON.parse(content.toString());
  if (report.run?.id !== run) throw altered(name, 'it is of another run');
  if (report.history.length !== history.events || chainHead(run, report.history) !== history.head)
    throw altered(name, 'an event of the history was changed, added or removed');
}

function missing(path: string): KeyturnError {
  return new KeyturnError('bad-option', `${path} not found`, {
    hint: 'give the folder of a report: it contains report.json, report.txt, report.html and report.sig',
  });
}

function altered(name: string, what: string): KeyturnError {
  return new KeyturnError('report-altered', `the report is not as it was written: ${name}: ${what}`, {
    hint: 'take the report from another copy, or write it again with keyturn report while the run is still in the database',
    facts: { file: name },
  });
}
