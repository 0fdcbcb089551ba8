import { KeyturnError } from '../error.ts';
import type { Decision, Job } from '../job/job.ts';

/** The job with what --decide settles; a later decision on a place replaces an earlier one. */
export function withDecisions(job: Job, given: readonly string[] = []): Job {
  if (given.length === 0) return job;
  const { everywhere } = job;
  if (everywhere === undefined) {
    throw new KeyturnError('bad-option', `${job.title} has no undecided places: the job names every field`, {
      hint: 'leave out --decide',
    });
  }
  const decisions = new Map(
    [...everywhere.decisions, ...given.map(parse)].map((decision) => [decision.place, decision]),
  );
  return { ...job, everywhere: { ...everywhere, decisions: [...decisions.values()] } };
}

function parse(text: string): Decision {
  const [, place = '', as = ''] = /^(.+)=(rotate|leave)$/s.exec(text) ?? [];
  if (as === 'rotate' || as === 'leave') return { place, as };
  throw new KeyturnError(
    'bad-option',
    `--decide takes Table.Column.path=rotate or =leave, not ${JSON.stringify(text)}`,
    { hint: 'keyturn scan and keyturn exceptions list show the places' },
  );
}
