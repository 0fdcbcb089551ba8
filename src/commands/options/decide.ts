import { KeyturnError } from '../../error.ts';
import type { Decision, Job } from '../../job/job.ts';
import { placeText, readPlace } from '../../job/place.ts';

/** The job with the decisions of --decide. */
export function withDecisions(job: Job, given: readonly string[] = []): Job {
  const decisions = givenDecisions(job, given);
  const { everywhere } = job;
  return everywhere === undefined ? job : { ...job, everywhere: { ...everywhere, decisions } };
}

/** The decisions of --decide; a later one on the same place replaces an earlier one. */
export function givenDecisions({ everywhere, title }: Job, given: readonly string[] = []): Decision[] {
  if (given.length > 0 && everywhere === undefined) {
    throw new KeyturnError('bad-option', `${title} has no undecided places: the job declares every field`, {
      hint: 'remove --decide',
    });
  }
  return [...new Map(given.map(parse).map((decision) => [decision.place, decision])).values()];
}

function parse(text: string): Decision {
  const [, place = '', as = ''] = /^(.+)=(rotate|leave)$/s.exec(text) ?? [];
  const read = readPlace(place);
  if (read !== null && (as === 'rotate' || as === 'leave'))
    return { place: placeText(read.table, read.column, read.path), as };
  throw new KeyturnError(
    'bad-option',
    `--decide must be table.column.path=rotate or table.column.path=leave, not ${JSON.stringify(text)}`,
    { hint: 'keyturn scan and keyturn exceptions list show the places' },
  );
}
