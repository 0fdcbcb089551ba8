import type { KeyObject } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyturnError } from '../error.ts';
import { syncFolder } from '../sync-folder.ts';
import { sealName } from './check-report.ts';
import { reportHtml } from './html.ts';
import type { Report } from './report.ts';
import { sealReport } from './signature.ts';
import { reportText } from './text.ts';

/** Paths of the files of a report. */
export interface ReportFiles {
  readonly text: string;
  readonly json: string;
  readonly html: string;
  readonly signature: string;
}

/**
 * Writes report.txt, report.json, report.html and report.sig to a folder, and creates the folder if necessary. All are
 * complete on disk before they get their names, so a full disk or a crash never leaves half a report, and never destroys an
 * old one.
 *
 * @param key Ed25519 private key that signs the report; null: report.sig has no signature
 * @throws KeyturnError `report-unwritten`: the folder cannot be written to.
 */
export async function writeReport(
  dir: string,
  report: Report,
  key: KeyObject | null = null,
): Promise<ReportFiles> {
  const contents = {
    'report.txt': reportText(report),
    'report.json': `${JSON.stringify(report, null, 2)}\n`,
    'report.html': reportHtml(report),
  };
  const seal = `${JSON.stringify(sealReport(report, contents, key), null, 2)}\n`;
  const files = Object.entries({ ...contents, [sealName]: seal }).map(([name, content]) => {
    const path = join(dir, name);
    return { path, content, temporary: `${path}.${process.pid}.tmp` };
  });
  try {
    await mkdir(dir, { recursive: true });
    for (const { temporary, content } of files) await writeDurably(temporary, content);
    for (const { temporary, path } of files) await rename(temporary, path);
    syncFolder(dir);
  } catch (cause) {
    for (const { temporary } of files) await rm(temporary, { force: true }).catch(() => {});
    throw unwritten(dir, cause);
  }
  return {
    text: join(dir, 'report.txt'),
    json: join(dir, 'report.json'),
    html: join(dir, 'report.html'),
    signature: join(dir, sealName),
  };
}

/** Removes what is there first: the file of a dead process, or a link to another file. */
async function writeDurably(path: string, content: string): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, 'wx');
  try {
    await file.writeFile(content, 'utf8');
    await file.sync();
  } finally {
    await file.close();
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is exceeded',
  EFBIG: 'the limit for the size of a file is exceeded',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'there is a file of that name',
  EISDIR: 'there is a folder of that name',
};

function unwritten(dir: string, cause: unknown): KeyturnError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const reason = reasons[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new KeyturnError('report-unwritten', `the report could not be written to ${dir}: ${reason}`, {
    hint: 'free disk space or choose another --report-dir, then write it again with keyturn report; the run itself is not affected',
    cause,
  });
}
