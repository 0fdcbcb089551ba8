import { KeyturnError } from '../../error.ts';
import { formatNames } from '../../formats/registry.ts';
import { builtInJobs, type LoadedJob, loadJob } from '../../job/load.ts';

/** Loads the job of --job. Throws `bad-option`, `job-unknown`, `job-invalid`. */
export function jobNamed(name: string | undefined): LoadedJob {
  if (name !== undefined) return loadJob(name, formatNames);
  throw new KeyturnError('bad-option', 'no job given', {
    hint: `use --job NAME or --job FILE; built-in jobs: ${builtInJobs().join(', ')}`,
  });
}
