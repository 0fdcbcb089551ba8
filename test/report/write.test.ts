import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { buildReport, type Report } from '../../src/report/report.ts';
import { reportText } from '../../src/report/text.ts';
import { writeReport } from '../../src/report/write.ts';
import { verifiedRun } from './recorded-run.ts';

let folder: string;
let report: Report;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyturn-report-'));
  const recorded = await verifiedRun();
  report = await buildReport(recorded.database.knex, recorded.run.id, true);
  await recorded.close();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('creates the folder and files with the same data', async () => {
  const dir = join(folder, 'keyturn-reports', report.run.id);
  const written = await writeReport(dir, report);
  expect(written).toEqual({
    text: join(dir, 'report.txt'),
    json: join(dir, 'report.json'),
    html: join(dir, 'report.html'),
    signature: join(dir, 'report.sig'),
  });
  expect((await readdir(dir)).sort()).toEqual(['report.html', 'report.json', 'report.sig', 'report.txt']);
  expect(JSON.parse(await readFile(written.json, 'utf8'))).toEqual(report);
  expect(await readFile(written.text, 'utf8')).toBe(reportText(report));
});

test('replaces an older report', async () => {
  const dir = join(folder, 'again');
  await mkdir(dir);
  await writeFile(join(dir, 'report.txt'), 'an older report');
  const { text } = await writeReport(dir, report);
  expect(await readFile(text, 'utf8')).toBe(reportText(report));
});

/** The file size limit of the kernel stops a write halfway, like a full disk. Node ignores its signal. */
test('a write that fails halfway keeps the older report and nothing else', async () => {
  const dir = join(folder, 'full');
  await mkdir(dir);
  await writeFile(join(dir, 'report.txt'), 'an older report');
  const data = join(folder, 'data.json');
  await writeFile(data, JSON.stringify(report));
  const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  const child = spawnSync(
    'sh',
    [
      '-c',
      'ulimit -f 1 && exec "$@"',
      'sh',
      process.execPath,
      '--import',
      path('../support/typescript.mjs'),
      path('write-report.ts'),
      dir,
      data,
    ],
    { encoding: 'utf8' },
  );
  expect(child.stdout).toBe('report-unwritten: the limit for the size of a file is exceeded');
  expect(await readFile(join(dir, 'report.txt'), 'utf8')).toBe('an older report');
  expect(await readdir(dir)).toEqual(['report.txt']);
});

test('a folder that cannot be created or written to is an error with a hint', async () => {
  const file = join(folder, 'a-file');
  await writeFile(file, '');
  await expect(writeReport(join(file, 'reports'), report)).rejects.toMatchObject({
    code: 'report-unwritten',
    message: expect.stringContaining('a part of the path is a file'),
    hint: expect.stringContaining('keyturn report'),
  });
});

// Root can write everywhere.
(process.getuid?.() === 0 ? test.skip : test)(
  'a folder without write permission keeps its report',
  async () => {
    const dir = join(folder, 'locked');
    await writeReport(dir, report);
    await chmod(dir, 0o500);
    await expect(writeReport(dir, report)).rejects.toMatchObject({
      message: expect.stringContaining('permission denied'),
    });
    await chmod(dir, 0o700);
    expect(await readdir(dir)).toHaveLength(4);
  },
);
