import { KeyturnError } from '../error.ts';
import { jobText } from '../job/load.ts';
import { defineCommand } from './command.ts';

export const jobsShow = defineCommand({
  words: ['jobs show'],
  positional: 'names',
  describe: 'print the file of a job or a template, to read it or to make your own from it',
  epilogue: `Example:
  keyturn jobs show laravel > job.yaml`,
  options: {},
  async run(_context, args) {
    const names = (args as { names?: readonly unknown[] }).names ?? [];
    if (names.length !== 1)
      throw new KeyturnError('bad-option', `expected the name of one job, found ${names.length}`, {
        hint: 'run keyturn jobs list to see the names',
      });
    const name = String(names[0]);
    const text = jobText(name);
    return { exitCode: 0, document: { name, text }, text };
  },
});
