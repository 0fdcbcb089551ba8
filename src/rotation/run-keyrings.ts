import { keyringBefore } from '../checkpoint/pin.ts';
import type { Run, RunKeys } from '../checkpoint/run.ts';
import { keyringAfter, replacedNames } from '../inventory/keys/source-keys.ts';
import type { Job } from '../job/job.ts';
import { Keyring } from '../keys/keyring.ts';

/** What the application reads with before a run, and after it. */
export interface RunKeyrings {
  readonly from: Keyring;
  readonly to: Keyring;
}

/** The keyrings of a run, from its two keys and the source keys in its row. */
export function keyringsOf(run: Pick<Run, 'id' | 'kind' | 'pinned' | 'job'>, keys: RunKeys): RunKeyrings {
  const pinned = keyringBefore(run, keys);
  if (run.kind === 'rollback') return keyringsBack(run.job, pinned, keys);
  return { from: pinned, to: keyringAfter(run.job, pinned, keys.next) };
}

/**
 * A rollback swaps the keyrings of the run that it takes back: the source keys that this run replaced are in use again
 * afterwards.
 *
 * @param before has the source keys and the further keys from before that run
 */
export function keyringsBack(job: Job, before: Keyring, { current, next }: RunKeys): RunKeyrings {
  const further = before.others.map(({ primary }) => primary);
  const replaced = replacedNames(job).flatMap((name) => before.named(name) ?? []);
  return {
    from: new Keyring(current, namedIn(keyringAfter(job, before, current)), further),
    to: new Keyring(next, namedIn(before), [], replaced[0] ?? next).after(),
  };
}

function namedIn(ring: Keyring) {
  return ring.names.flatMap((name) => {
    const key = ring.named(name);
    return key === undefined ? [] : [[name, key] as const];
  });
}
