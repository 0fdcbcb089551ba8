import { KeyturnError } from '../error.ts';

/** @param next what the user does once there is space again */
export function diskFull(cause: unknown, next: string): KeyturnError {
  return new KeyturnError('database-full', 'the disk is full', {
    hint: `free disk space for the database, or in the temporary folder, then ${next}`,
    cause,
  });
}
