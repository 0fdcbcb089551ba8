import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from '@jest/globals';
import { builtInJobs, templatePath, templates } from '../../src/job/load.ts';
import { keyturn } from '../support/cli.ts';

const jobs = (...words: string[]) => keyturn(['jobs', ...words], { cwd: tmpdir() });

test('keyturn jobs list names every job and every template', async () => {
  const { code, stdout } = await jobs('list');
  expect(code).toBe(0);
  for (const name of builtInJobs()) expect(stdout).toMatch(new RegExp(`^${name} +job `, 'm'));
  for (const name of templates()) expect(stdout).toMatch(new RegExp(`^${name} +template `, 'm'));
});

test('keyturn jobs show prints the file of a template', async () => {
  const { code, stdout } = await jobs('show', 'laravel');
  expect([code, stdout]).toEqual([0, readFileSync(templatePath('laravel'), 'utf8')]);
});

test('a template that is used as a job is refused, with the way to complete it', async () => {
  const { code, stderr } = await keyturn(['plan', '--job', 'laravel', '--database', 'sqlite:no.sqlite'], {
    cwd: tmpdir(),
  });
  expect(code).toBe(2);
  expect(stderr).toContain('laravel is a template: it does not know your tables');
  expect(stderr).toContain('keyturn jobs show laravel > job.yaml');
});
