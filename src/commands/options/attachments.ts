import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Options } from 'yargs';
import { KeyturnError } from '../../error.ts';
import type { Job } from '../../job/job.ts';
import type { LoadedJob } from '../../job/load.ts';
import { groups } from './options.ts';

export const attachmentsOptions = {
  attachments: {
    type: 'string',
    requiresArg: true,
    group: groups.input,
    describe: 'folder of the encrypted files, for jobs with files; --no-attachments skips the files',
  },
} as const satisfies Record<string, Options>;

/** The parser sets `attachments` to false for --no-attachments. */
export interface AttachmentsArguments {
  readonly attachments?: string | false | undefined;
}

/** The folder as an absolute path: worker threads and a later resume may have another working folder. */
export function attachmentsFolder({ attachments }: AttachmentsArguments): string | null {
  return typeof attachments === 'string' ? resolve(attachments) : null;
}

/**
 * Whether the files of a job are rotated. A job with files requires one of the two options, so that nobody forgets the
 * files.
 *
 * @throws KeyturnError `bad-option`, `attachments-missing`.
 */
export function takesAttachments({ file }: LoadedJob, args: AttachmentsArguments): boolean {
  if (file.files?.optional === false && args.attachments === undefined) throw notGiven(file.title);
  if (file.files === undefined && typeof args.attachments === 'string') throw notNeeded(file.title);
  assertFolder(args);
  return typeof args.attachments === 'string';
}

/** A run continues with files, or without them, as it started. */
export function assertAttachments({ title, targets, leftOut }: Job, args: AttachmentsArguments): void {
  const has = targets.some(({ tree }) => tree !== undefined);
  if (has && args.attachments === undefined) throw notGiven(title);
  if (has && args.attachments === false) {
    throw new KeyturnError('bad-option', 'this run also rotates the encrypted files', {
      hint: 'use --attachments with their folder',
    });
  }
  if (!has && typeof args.attachments === 'string') {
    if (leftOut === undefined) throw notNeeded(title);
    throw new KeyturnError('bad-option', 'this run was started with --no-attachments', {
      hint: 'it does not rotate the files: remove --attachments',
    });
  }
  assertFolder(args);
}

/** The same option as words of a command line that continues the run. */
export function attachmentsWords(args: AttachmentsArguments): string[] {
  const folder = attachmentsFolder(args);
  return folder === null ? [] : ['--attachments', folder];
}

function assertFolder(args: AttachmentsArguments): void {
  const folder = attachmentsFolder(args);
  if (folder === null || statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return;
  throw new KeyturnError('attachments-missing', `there is no folder ${folder}`, {
    hint: 'use --attachments with the folder of the encrypted files, or --no-attachments to skip them',
    facts: { path: folder },
  });
}

function notGiven(title: string): KeyturnError {
  return new KeyturnError('bad-option', `${title} also keeps encrypted files outside its database`, {
    hint: 'use --attachments with their folder, or --no-attachments to skip them',
  });
}

function notNeeded(title: string): KeyturnError {
  return new KeyturnError('bad-option', `this run includes no files of ${title} outside the database`, {
    hint: 'remove --attachments',
  });
}
