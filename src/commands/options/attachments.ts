import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Options } from 'yargs';
import { KeyturnError } from '../../error.ts';
import type { Job } from '../../job/job.ts';
import type { LoadedJob } from '../../job/load.ts';

export const attachmentsOptions = {
  attachments: {
    type: 'string',
    requiresArg: true,
    group: 'What to rotate:',
    describe: 'folder of the encrypted files, for a job that has such; --no-attachments leaves them out',
  },
} as const satisfies Record<string, Options>;

/** False: --no-attachments, as the parser gives it. */
export interface AttachmentsArguments {
  readonly attachments?: string | false | undefined;
}

/** The folder that was named, absolute, as worker threads and other working folders need it. */
export function attachmentsFolder({ attachments }: AttachmentsArguments): string | null {
  return typeof attachments === 'string' ? resolve(attachments) : null;
}

/**
 * Whether the files of a job are rotated. That is said for every job that has such, or they would be forgotten.
 *
 * @throws KeyturnError `bad-option`, `attachments-missing`.
 */
export function takesAttachments({ file }: LoadedJob, args: AttachmentsArguments): boolean {
  if (file.files !== undefined && args.attachments === undefined) throw unsaid(file.title);
  if (file.files === undefined && typeof args.attachments === 'string') throw needless(file.title);
  assertFolder(args);
  return typeof args.attachments === 'string';
}

/** For a run that began with files, or without: it goes on as it began. */
export function assertAttachments({ title, targets, leftOut }: Job, args: AttachmentsArguments): void {
  const has = targets.some(({ tree }) => tree !== undefined);
  if (has && args.attachments === undefined) throw unsaid(title);
  if (has && args.attachments === false) {
    throw new KeyturnError('bad-option', 'this run rotates the encrypted files too', {
      hint: 'name their folder with --attachments',
    });
  }
  if (!has && typeof args.attachments === 'string') {
    if (leftOut === undefined) throw needless(title);
    throw new KeyturnError('bad-option', 'this run was begun with --no-attachments', {
      hint: 'it leaves the files as they are: say --no-attachments again, or nothing',
    });
  }
  assertFolder(args);
}

/** For a command that goes on with the run. */
export function attachmentsWords(args: AttachmentsArguments): string[] {
  const folder = attachmentsFolder(args);
  return folder === null ? [] : ['--attachments', folder];
}

function assertFolder(args: AttachmentsArguments): void {
  const folder = attachmentsFolder(args);
  if (folder === null || statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return;
  throw new KeyturnError('attachments-missing', `there is no folder ${folder}`, {
    hint: 'name with --attachments the folder that holds the encrypted files, or say --no-attachments',
    facts: { path: folder },
  });
}

function unsaid(title: string): KeyturnError {
  return new KeyturnError('bad-option', `${title} keeps encrypted files beside its database`, {
    hint: 'name their folder with --attachments, or leave them out with --no-attachments',
  });
}

function needless(title: string): KeyturnError {
  return new KeyturnError('bad-option', `this job knows of no files of ${title} beside the database`, {
    hint: 'leave out --attachments',
  });
}
