import { KeyturnError } from '../../error.ts';
import { formatNames } from '../../formats/registry.ts';
import { builtInJobs, type LoadedJob, loadJob } from '../../job/load.ts';

/** The job of --job. */
export function jobNamed(name: string | undefined): LoadedJob {
  if (name !== undefined) return loadJob(name, formatNames);
  throw new KeyturnError('bad-option', 'which job is not said', {
    hint: `use --job NAME or --job FILE; built-in jobs: ${builtInJobs().join(', ')}`,
  });
}
