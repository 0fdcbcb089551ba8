import { isWriting, type Run } from '../checkpoint/run.ts';

/** For a run whose row does not say where its engine keeps old ciphertext. */
const anyEngine = [
  "The engine's logs and journals, freed pages inside its files, and replicas of the database.",
];

const everywhere = [
  'Backups, dumps, snapshots and exports made before the run ended, and copies of the database for tests or analysis.',
  "The application's own execution logs, audit and history tables, caches and queues that contain copies of stored values.",
  'Memory and swap space of application processes that were not restarted.',
];

const files = [
  'The original encrypted files, in the folder next to them whose name ends in _MasterKeyRotationBackup.',
];

const otherKeys =
  'The instance key, with the data keys of the same copy of the database, decrypts all of these: keep it as long as one of them may be needed. If a data key was compromised, so are the secrets in them: replace these secrets where they were issued.';

/** Where ciphertext under the old key may survive; sentences. Empty: nothing was rotated. */
export function survivalOf(run: Run): string[] {
  if (!isWriting(run.kind)) return [];
  const left = run.kind === 'rollback' ? 'new' : 'old';
  return [
    ...(run.inventory.survival ?? anyEngine),
    ...everywhere,
    ...(run.job.targets.some(({ tree }) => tree !== undefined) ? files : []),
    ...(run.job.leftOut === undefined
      ? []
      : ['The encrypted files beside the database, which were left out of this run.']),
    run.job.only !== undefined
      ? otherKeys
      : `The ${left} key (${run.fromKeyId}) decrypts all of these: keep it in a safe place as long as one of them may be needed, then destroy both. If the ${left} key was compromised, so are the secrets in them: replace these secrets where they were issued.`,
  ];
}
