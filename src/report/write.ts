import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyturnError } from '../error.ts';
import { syncFolder } from '../sync-folder.ts';
import type { Report } from './report.ts';
import { reportText } from './text.ts';

/**
 * Writes report.txt and report.json to a folder, and creates the folder if necessary. Both are complete on disk before
 * they get their names, so a full disk or a crash never leaves half a report, and never destroys an old one.
 *
 * @throws KeyturnError `report-unwritten`: the folder cannot be written to.
 */
export async function writeReport(dir: string, report: Report): Promise<{ text: string; json: string }> {
  const files = [
    { path: join(dir, 'report.txt'), content: reportText(report) },
    { path: join(dir, 'report.json'), content: `${JSON.stringify(report, null, 2)}\n` },
  ].map((file) => ({ ...file, temporary: `${file.path}.${process.pid}.tmp` }));
  try {
    await mkdir(dir, { recursive: true });
    for (const { temporary, content } of files) await writeDurably(temporary, content);
    for (const { temporary, path } of files) await rename(temporary, path);
    syncFolder(dir);
  } catch (cause) {
    for (const { temporary } of files) await rm(temporary, { force: true }).catch(() => {});
    throw unwritten(dir, cause);
  }
  return { text: join(dir, 'report.txt'), json: join(dir, 'report.json') };
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
