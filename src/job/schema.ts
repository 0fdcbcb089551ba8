import { z } from 'zod';
import { everywhere } from './everywhere-schema.ts';
import { format } from './format-schema.ts';
import { files, uncovered } from './outside-schema.ts';
import { beside, document, lines, trim, under, where } from './value-schema.ts';

const field = z.strictObject({
  column: z
    .string()
    .min(1)
    .describe('Column name; a trailing * selects every text column whose name begins like this'),
  with: beside,
  optional: z
    .boolean()
    .default(false)
    .describe('True: some versions of the application do not have this column'),
  when: where.optional().describe('Only rows in which these columns have these values'),
  document: document.default('text'),
  trim,
  lines,
  format,
  key: under,
  plaintext: z
    .enum(['any', 'utf8', 'json', 'plausible'])
    .default('any')
    .describe(
      'What the plaintext must look like (plausible: text, a certificate or a private key). For formats without authentication, this detects a wrong key',
    ),
  foreign: z
    .enum(['exception', 'leave', 'replace'])
    .default('exception')
    .describe(
      'What to do with a value that is not of this format: record an exception; leave it as unencrypted; ' +
        'or (only with `becomes`) replace it, if it is the unencrypted old master key, with the unencrypted new one, and record an exception for any other value',
    ),
  closed: z
    .enum(['exception', 'look-alike'])
    .default('exception')
    .describe(
      'What to do with a value of this format that cannot be decrypted: record an exception, or leave it as a look-alike that is not ours',
    ),
  becomes: z
    .union([
      z
        .literal('primary')
        .describe('The plaintext is the master key itself and is replaced with the new one'),
      z.strictObject({ format }).describe('The values get another format in the same run'),
    ])
    .optional()
    .describe('What values become, beside being under the new key'),
  set: z
    .strictObject({
      column: z.string().min(1).describe('Column that names the key of the row'),
      was: z.string().describe('What it contains before; {keyId} is replaced with the id of the current key'),
      to: z.string().describe('What it contains afterwards; {keyId} is replaced with the id of the new key'),
    })
    .optional()
    .describe(
      'A column beside the value that names its key. It is set when every value of the row that it labels is rotated',
    ),
  randomize: z
    .literal(true)
    .optional()
    .describe(
      'Ciphertexts may become random: nothing looks values up by their ciphertext, or needs it to be unique',
    ),
});

const target = z.strictObject({
  table: z.string().min(1),
  optional: z
    .boolean()
    .default(false)
    .describe('True: some versions of the application do not have this table'),
  id: z.array(z.string()).min(1).optional().describe('Row id columns. Default: the primary key'),
  fields: z
    .array(field)
    .min(1)
    .describe('If several fields name a column, the first whose `when` matches the row applies'),
});

const sourceKey = z.strictObject({
  name: z.string().describe('Name in the keyring; {column} is replaced with that column of the row'),
  table: z.string(),
  where,
  column: z.string(),
  format,
  form: z.enum(['text', 'hex', 'base64']).default('text').describe('Encoding of the key in the plaintext'),
  clear: z
    .enum(['refuse', 'primary', 'any'])
    .default('refuse')
    .describe(
      'What to do with an unencrypted key: refuse it, accept it if it equals the master key, or accept it',
    ),
  becomes: z
    .literal('primary')
    .optional()
    .describe('The run replaces it with the new master key (a field with `becomes` writes it)'),
});

const canary = z.strictObject({
  table: z.string(),
  column: z.string(),
  with: beside,
  where: where.optional(),
  document: document.default('text'),
  trim,
  lines,
  format,
  key: under,
  plaintext: z.enum(['any', 'utf8', 'json', 'plausible']).default('any'),
  certificate: z
    .strictObject({
      thumbprint: z
        .string()
        .describe('Column, or member of the document, that contains the SHA-1 thumbprint'),
    })
    .optional()
    .describe(
      'The value is a certificate (X.509 or PKCS#12) whose thumbprint is stored with it, unencrypted',
    ),
});

const derived = z.strictObject({
  secret: z.string().describe('Name of a built-in derivation'),
  setting: z.string().describe('Setting of the application with which the old value stays in use'),
  unless: z.strictObject({ table: z.string(), where }).describe('Nothing is kept if such a row exists'),
});

const keyShape = {
  form: z
    .enum(['text', 'base64', 'base64url', 'hex'])
    .default('text')
    .describe('How the key is written in its file'),
  trim: z
    .enum(['none', 'space', 'quotes'])
    .default('space')
    .describe(
      'What the application itself strips from a key: white space, or white space and one pair of quotes',
    ),
  list: z
    .boolean()
    .optional()
    .describe(
      'True: the application writes several keys with commas between them, the first being the current one. Only with form: text; other keys are always read so',
    ),
  bytes: z.array(z.number().int().positive()).optional().describe('Allowed lengths of a raw key in bytes'),
  generate: z.strictObject({
    bytes: z.number().int().min(16),
    as: z.enum(['base64', 'base64url', 'hex']),
    prefix: z
      .string()
      .optional()
      .describe('Before the encoded bytes, as the application writes it: base64:. Only with form: text'),
  }),
};

export const jobSchema = z.strictObject({
  job: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'lower-case letters, digits and hyphens'),
  title: z.string(),
  about: z.string().optional(),
  unproven: z
    .boolean()
    .default(false)
    .describe('True: the places are not known from the source or the schema of the application'),
  key: z.strictObject(keyShape).describe('Shape of the master key'),
  keys: z
    .record(
      z.string().regex(/^[a-z][a-z0-9-]*$/, 'lower-case letters, digits and hyphens'),
      z.strictObject({
        ...keyShape,
        stays: z
          .literal(true)
          .optional()
          .describe('It is not replaced, such as a salt: the new keys are used with it too'),
      }),
    )
    .optional()
    .describe('Further keys of the application, by name: --current-key-file NAME=FILE'),
  requires: z.array(z.string()).default([]).describe('Tables that every version of the application has'),
  prefixable: z.boolean().default(false).describe('Table names can have a prefix (--table-prefix)'),
  sourceKeys: z
    .array(sourceKey)
    .default([])
    .describe('Keys in the database that are needed to decrypt values'),
  dataKeys: z
    .strictObject({ table: z.string() })
    .optional()
    .describe(
      "Table of n8n's data keys, for keyturn data-key: with columns id, type, algorithm, value and status. Default: none",
    ),
  canary: z
    .array(canary)
    .min(1)
    .describe('Values that show whether a key is the right one. The first canary that has rows decides'),
  phases: z
    .array(z.strictObject({ name: z.string(), targets: z.array(target).min(1) }))
    .default([])
    .describe('Rotated one after the other. Targets that contain keys come last'),
  everywhere: everywhere.optional(),
  files: files.optional(),
  exclude: z
    .array(z.strictObject({ table: z.string(), column: z.string(), reason: z.string().min(1) }))
    .default([])
    .describe('Columns whose ciphertext is deliberately not rotated; the report gives the reason'),
  derived: z.array(derived).default([]).describe('Secrets that the application derives from the master key'),
  uncovered: z
    .array(uncovered)
    .default([])
    .describe('Rows whose encrypted data is outside the database: counted, and reported as not covered'),
  afterwards: z
    .array(z.string())
    .default([])
    .describe('What the operator must do after the run; {newKeyFile} and {newKeyId} are replaced'),
  afterRollback: z
    .array(z.string())
    .default([
      'Give the application its old key again (key id {oldKeyId}, {oldKeyFile}), start it, and check that it works',
    ])
    .describe('What the operator must do after a rollback; {oldKeyFile} and {oldKeyId} are replaced'),
});

/**
 * The JSON Schema of a job file as an author writes it (defaults may be omitted), for editors: jobs/job.schema.json.
 */
export function jobJsonSchema(): object {
  return { title: 'keyturn job', ...z.toJSONSchema(jobSchema, { io: 'input' }) };
}

/** A job file with defaults filled in. */
export type JobFile = z.infer<typeof jobSchema>;
export type FieldFile = z.infer<typeof field>;
export type TargetFile = z.infer<typeof target>;
export type SourceKeyFile = z.infer<typeof sourceKey>;
export type CanaryFile = z.infer<typeof canary>;
export type Where = z.infer<typeof where>;
