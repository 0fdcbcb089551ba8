import { formatNames } from '../formats/registry.ts';
import { builtInJobs, loadJob, templatePath, templates } from '../job/load.ts';
import { defineCommand } from './command.ts';

export const jobsList = defineCommand({
  words: ['jobs list'],
  describe: 'list the applications that have a job, and the templates for frameworks and libraries',
  epilogue: `A template does not know your tables: print it with keyturn jobs show, and complete it.

Example:
  keyturn jobs list`,
  options: {},
  async run() {
    const jobs = [
      ...builtInJobs().map((name) => ({ name, kind: 'job', title: loadJob(name, formatNames).file.title })),
      ...templates().map((name) => ({
        name,
        kind: 'template',
        title: loadJob(templatePath(name), formatNames).file.title,
      })),
    ];
    const width = Math.max(...jobs.map(({ name }) => name.length));
    const lines = jobs.map(({ name, kind, title }) => `${name.padEnd(width)}  ${kind.padEnd(8)}  ${title}`);
    return { exitCode: 0, document: { jobs }, text: `${lines.join('\n')}\n` };
  },
});
