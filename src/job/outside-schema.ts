import { z } from 'zod';
import { format } from './format-schema.ts';
import { document, lines, trim, where } from './value-schema.ts';

export const uncovered = z.strictObject({
  table: z.string(),
  where,
  what: z.string().min(1).describe('What these rows are, in the plural, and where their data is'),
  files: z
    .boolean()
    .default(false)
    .describe('True: their data is in the files of the job, and covered with --attachments'),
});

export const files = z
  .strictObject({
    format: format.describe(
      'Format of the files (octopus-stream), or of the values in them. Files of other formats than octopus-stream are read as UTF-8 text, of at most 256 MB',
    ),
    document: document.default('text').describe('How a file contains ciphertext. Default: text'),
    trim,
    lines,
    plaintext: z
      .enum(['any', 'utf8', 'json', 'plausible'])
      .default('any')
      .describe('What the plaintext must look like; not for octopus-stream'),
    folders: z
      .array(z.string().regex(/^(?!\.{1,2}$)[^/\0]+$/, 'the name of a subfolder, without slashes'))
      .default([])
      .describe('Subfolders that contain the files; they need not exist. Default: the whole folder'),
    names: z
      .array(z.string().regex(/^(?!\.{1,2}$)[^/\0]+$/, 'the name of a file, without slashes'))
      .default([])
      .describe('Names of the files, in any subfolder. Default: all files'),
    optional: z
      .boolean()
      .default(false)
      .describe('True: most installations have no such files, so that --attachments need not be given'),
    foreign: z
      .enum(['exception', 'leave'])
      .default('exception')
      .describe(
        'What to do with a value that is not of this format (octopus-stream: a file whose length is impossible)',
      ),
    closed: z
      .enum(['exception', 'look-alike'])
      .default('exception')
      .describe('What to do with any other value, or file, that cannot be decrypted'),
  })
  .describe(
    'Files outside the database that are encrypted or contain ciphertext, in the folder given with --attachments',
  );

export type FilesFile = z.infer<typeof files>;
