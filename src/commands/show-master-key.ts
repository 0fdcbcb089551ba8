import { masterKeyOf } from '../keys/octopus-config.ts';
import { defineCommand } from './command.ts';
import { groups } from './options/options.ts';
import { instanceOptions, openInstance } from './steps/octopus-instance.ts';

export const showMasterKey = defineCommand({
  words: ['show-master-key'],
  describe: 'print the master key in the configuration of Octopus Server',
  epilogue: `The key is printed on stdout: anyone who has it can decrypt a copy of the database. The configuration of a machine that no longer runs is read with its saved machine key.

Example:
  keyturn show-master-key --config OctopusServer.config --machine-id machine-id`,
  options: {
    ...instanceOptions,
    format: {
      choices: ['text', 'json'],
      requiresArg: true,
      default: 'text',
      group: groups.output,
      describe: 'how to print the key',
    },
  },
  async run(context, args) {
    const { config, protections, shape } = openInstance(context, args);
    const { key } = masterKeyOf(config, shape, protections);
    const document = { MasterKey: key.text };
    return {
      exitCode: 0,
      document,
      text: args.format === 'json' ? `${JSON.stringify(document)}\n` : `${key.text}\n`,
    };
  },
});
