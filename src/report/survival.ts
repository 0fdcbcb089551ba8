import type { Run } from '../checkpoint/run.ts';

/** For a run whose row does not say what its engine keeps. */
const anyEngine = [
  "The engine's logs and journals, freed pages inside its files, and replicas of the database.",
];

const everywhere = [
  'Backups, dumps, snapshots and exports made before the run ended, and copies of the database for tests or analysis.',
  "The application's own execution logs, audit and history tables, caches and queues that hold copies of stored values.",
  'Memory and swap of application processes that were not restarted.',
];

const files = [
  'The originals of the encrypted files, in the folder beside theirs whose name ends in _MasterKeyRotationBackup.',
];

/** Where ciphertext under the old key may live on, out of reach of any rotation; sentences. Empty: nothing was rotated. */
export function survivalOf(run: Run): string[] {
  if (run.kind !== 'rotation') return [];
  return [
    ...(run.inventory.survival ?? anyEngine),
    ...everywhere,
    ...(run.job.targets.some(({ tree }) => tree !== undefined) ? files : []),
    ...(run.job.leftOut === undefined
      ? []
      : [`The encrypted files beside the database, which this run knowingly left out.`]),
    `The old key (${run.fromKeyId}) opens all of these: keep it locked away while one of them may be needed, then destroy both. If the old key was compromised, the secrets in them are too: replace those at their origin.`,
  ];
}
