import { formatNames, formatOf } from '../formats/registry.ts';
import { defineCommand } from './command.ts';

export const formatsList = defineCommand({
  words: ['formats list'],
  describe: 'list the ciphertext formats that a job can name',
  epilogue: `Other layouts are described in the job: see jobs/README.md, "described".

Example:
  keyturn formats list`,
  options: {},
  async run() {
    const formats = formatNames.map((name) => {
      const { authenticated, carries, odds } = formatOf(name);
      return { name, authenticated, in: carries === 'bytes' ? 'binary columns' : 'text', odds };
    });
    const width = Math.max(...formats.map(({ name }) => name.length));
    const lines = formats.map(
      ({ name, authenticated, in: where }) =>
        `${name.padEnd(width)}  ${where.padEnd(14)}  ${authenticated ? 'authenticated' : 'not authenticated'}`,
    );
    return { exitCode: 0, document: { formats }, text: `${lines.join('\n')}\n` };
  },
});
