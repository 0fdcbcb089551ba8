import Sequencer from '@jest/test-sequencer';

/**
 * The files that take longest, longest first: one of them at the end would run alone. Jest itself goes by the times of
 * earlier runs, which a fresh clone does not have, and then by size.
 */
const long = [
  'commands/data-key',
  'rotation/n8n',
  'commands/queue',
  'damage/data',
  'damage/checkpoint',
  'rotation/octopus',
  'rotation/octopus-places',
  'rotation/files',
  'faults/kill',
];

export default class LongestFirst extends Sequencer {
  sort(tests) {
    const place = ({ path }) => {
      const found = long.findIndex((name) => path.replaceAll('\\', '/').endsWith(`test/${name}.test.ts`));
      return found < 0 ? long.length : found;
    };
    return super.sort(tests).sort((a, b) => place(a) - place(b));
  }
}
