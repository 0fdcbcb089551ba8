import { z } from 'zod';
import { isPlace } from './place.ts';

/** Rows a field, source key or canary applies to: every named column holds (one of) the given values, exactly. */
const where = z.record(z.string(), z.union([z.string(), z.array(z.string()).min(1)]));

const jsonPath = z
  .string()
  .regex(/^(\.[A-Za-z0-9_$-]+|\[\d+\])+$/, 'a path such as .clientSecret or .a.b[0]')
  .describe('Path of a string leaf, such as .clientSecret or .a.b[0]');

const document = z
  .union([
    z.literal('text').describe('The whole value is one ciphertext'),
    z.literal('list').describe('Ciphertexts joined by commas, each on its own'),
    z
      .literal('any')
      .describe('Any string of a JSON text, at any depth and in JSON inside strings; other text as a whole'),
    z.literal('gzip').describe('A gzip of such text, as bytes (SQL Server: COMPRESS of nvarchar)'),
    z
      .literal('within')
      .describe(
        "Text of any other kind (YAML, markup, PHP's serialize): every value that stands somewhere in it, found by what it begins with",
      ),
    z
      .strictObject({ json: z.union([z.array(jsonPath).min(1), z.literal('any')]) })
      .describe('JSON text: the string leaves at these paths, or any string leaf at any depth'),
  ])
  .describe('How the column carries ciphertext; default text');

const trim = z
  .boolean()
  .optional()
  .describe('True: white space may stand around ciphertext; it stays there. Default false');

const lines = z
  .number()
  .int()
  .positive()
  .optional()
  .describe(
    "Ciphertext is broken into lines of so many characters (60: Ruby's pack, 76: MIME, MySQL's TO_BASE64); it stays so. Default: it is one line",
  );

const aesGcm = z
  .strictObject({
    layout: z
      .array(z.string().regex(/^(nonce \d+|tag \d+|ciphertext)$/, 'nonce N, tag N (N bytes) or ciphertext'))
      .describe('The parts in order, with their bytes: [nonce 12, ciphertext, tag 16]'),
    encoding: z
      .enum(['base64', 'base64url', 'hex', 'raw'])
      .default('base64')
      .describe('How bytes are written'),
    prefix: z
      .string()
      .regex(/^[ -~]*$/, 'printable ASCII')
      .default('')
      .describe('What every ciphertext begins with, as it is'),
    separator: z
      .string()
      .regex(/^[^A-Za-z0-9+/=_-]*$/, 'no character of the encodings')
      .default('')
      .describe(
        'Between the parts, each of which is then encoded on its own; default: all are encoded together',
      ),
    key: z
      .union([
        z.literal('raw').describe("The master key's bytes"),
        z.literal('sha256').describe("SHA-256 of the master key's text"),
        z
          .strictObject({
            hkdf: z.strictObject({
              hash: z.enum(['sha256', 'sha384', 'sha512']).default('sha256'),
              salt: z.string().default('').describe('As UTF-8'),
              info: z.string().default('').describe('As UTF-8'),
              bytes: z.union([z.literal(16), z.literal(24), z.literal(32)]).default(32),
            }),
          })
          .describe("HKDF of the master key's bytes"),
      ])
      .default('raw')
      .describe('How the AES key comes from the master key'),
    aad: z.string().default('').describe('Additional authenticated data: a fixed text, as UTF-8'),
  })
  .describe('AES-GCM in a layout of your own');

const format = z
  .union([
    z.string().describe('Name of a ciphertext format'),
    z.strictObject({ 'aes-gcm': aesGcm }).describe('AES-GCM in a layout of your own'),
  ])
  .describe('Layout and cipher of the ciphertext')
  .meta({ id: 'format' });

const field = z.strictObject({
  column: z.string().min(1).describe('Column name; a trailing * takes every text column that begins so'),
  optional: z.boolean().default(false).describe('True: some versions of the application lack this column'),
  when: where.optional().describe('Only rows where these columns hold these values'),
  document: document.default('text'),
  trim,
  lines,
  format,
  plaintext: z
    .enum(['any', 'utf8', 'json', 'plausible'])
    .default('any')
    .describe(
      'What the plaintext must look like (plausible: text, a certificate or a private key); for formats without authentication this catches a wrong key',
    ),
  foreign: z
    .enum(['exception', 'leave', 'replace'])
    .default('exception')
    .describe(
      'A value that is not of this format at all: an exception, a clear value that is left as it is, ' +
        'or (with `becomes` only) the old master key in clear, replaced by the new one in clear; any other clear value is then an exception',
    ),
  closed: z
    .enum(['exception', 'look-alike'])
    .default('exception')
    .describe(
      'A value of this shape that does not open: an exception, or a look-alike made by somebody else',
    ),
  becomes: z
    .literal('primary')
    .optional()
    .describe('The plaintext is the master key itself: it is replaced by the new one'),
});

const target = z.strictObject({
  table: z.string().min(1),
  optional: z.boolean().default(false).describe('True: some versions of the application lack this table'),
  id: z.array(z.string()).min(1).optional().describe('Row id columns; default: the primary key'),
  fields: z.array(field).min(1).describe('The first field of a column whose `when` fits a row applies'),
});

const sourceKey = z.strictObject({
  name: z.string().describe('Name in the keyring; {column} is replaced by that column of the row'),
  table: z.string(),
  where,
  column: z.string(),
  format,
  form: z
    .enum(['text', 'hex', 'base64'])
    .default('text')
    .describe('How the key bytes are written in the plaintext'),
  clear: z
    .enum(['refuse', 'primary', 'any'])
    .default('refuse')
    .describe('A key that stands unwrapped: refused, accepted when it equals the master key, or accepted'),
  becomes: z
    .literal('primary')
    .optional()
    .describe('This run replaces it by the new master key (a field with `becomes` writes it)'),
});

const canary = z.strictObject({
  table: z.string(),
  column: z.string(),
  where: where.optional(),
  document: document.default('text'),
  trim,
  lines,
  format,
  plaintext: z.enum(['any', 'utf8', 'json', 'plausible']).default('any'),
  certificate: z
    .strictObject({
      thumbprint: z.string().describe('Column, or member of the document, that holds the SHA-1 thumbprint'),
    })
    .optional()
    .describe('A value is a certificate (X.509 or PKCS#12) whose thumbprint is stored beside it in clear'),
});

const derived = z.strictObject({
  secret: z.string().describe('Name of the derivation, built in'),
  setting: z.string().describe('Setting of the application that keeps the old value alive'),
  unless: z.strictObject({ table: z.string(), where }).describe('Nothing to keep when such a row exists'),
});

const scalar = z.union([z.string(), z.number(), z.boolean()]);

const everywhere = z
  .strictObject({
    text: format.describe('Format of ciphertext in text, JSON, and gzips of them'),
    binary: format.optional().describe('Format of ciphertext that fills a binary column; default: none'),
    sensitive: z
      .array(
        z.union([
          z.strictObject({
            place: z
              .string()
              .refine(isPlace, 'Table.Column.path, as keyturn scan writes it')
              .describe('Table.Column.path, with [] for array items'),
          }),
          z.strictObject({ sibling: z.record(z.string(), scalar) }),
        ]),
      )
      .default([])
      .describe(
        'Known sensitive places, by name or by what stands beside the value: what does not open there is an exception, elsewhere a look-alike',
      ),
  })
  .describe('By shape, without a list: every text and binary column of every table that no phase names');

const files = z
  .strictObject({
    format: format.describe('Format of every file as a whole; one that works on files (octopus-stream)'),
    folders: z
      .array(z.string().regex(/^(?!\.{1,2}$)[^/\0]+$/, 'the name of a subfolder, without slashes'))
      .default([])
      .describe('Subfolders that hold them; one that does not exist is no error. Default: the whole folder'),
    foreign: z
      .enum(['exception', 'leave'])
      .default('exception')
      .describe('A file whose length is none that this format has'),
    closed: z
      .enum(['exception', 'look-alike'])
      .default('exception')
      .describe('A file of such a length that does not open'),
  })
  .describe('Encrypted files beside the database, in the folder that --attachments names');

export const jobSchema = z.strictObject({
  job: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'lower case letters, digits and hyphens'),
  title: z.string(),
  about: z.string().optional(),
  key: z
    .strictObject({
      form: z
        .enum(['text', 'base64', 'base64url', 'hex'])
        .default('text')
        .describe('How the key is written in its file'),
      trim: z
        .enum(['none', 'space', 'quotes'])
        .default('space')
        .describe('What the application itself strips from a key: white space, also one pair of quotes'),
      bytes: z
        .array(z.number().int().positive())
        .optional()
        .describe('Allowed lengths of a raw key, in bytes'),
      generate: z.strictObject({
        bytes: z.number().int().min(16),
        as: z.enum(['base64', 'base64url', 'hex']),
      }),
    })
    .describe('Shape of the master key'),
  requires: z.array(z.string()).default([]).describe('Tables without which this is not the application'),
  prefixable: z.boolean().default(false).describe('Table names may carry a prefix (--table-prefix)'),
  sourceKeys: z.array(sourceKey).default([]).describe('Keys in the database that open values'),
  canary: z.array(canary).min(1).describe('Values that tell the right key: the first that has rows decides'),
  phases: z
    .array(z.strictObject({ name: z.string(), targets: z.array(target).min(1) }))
    .default([])
    .describe('One after the other; targets that hold keys come last'),
  everywhere: everywhere.optional(),
  files: files.optional(),
  exclude: z
    .array(z.strictObject({ table: z.string(), column: z.string(), reason: z.string().min(1) }))
    .default([])
    .describe('Columns whose ciphertext is knowingly left alone; the reason lands in the report'),
  derived: z.array(derived).default([]).describe('Secrets the application derives from the master key'),
  afterwards: z
    .array(z.string())
    .default([])
    .describe('Steps for the operator after the run; {newKeyFile} and {newKeyId} are replaced'),
});

/** The JSON Schema of a job file as an author writes it (defaults may be left out), for editors: jobs/job.schema.json. */
export function jobJsonSchema(): object {
  return { title: 'keyturn job', ...z.toJSONSchema(jobSchema, { io: 'input' }) };
}

/** A job file as written (defaults filled in). */
export type JobFile = z.infer<typeof jobSchema>;
export type FieldFile = z.infer<typeof field>;
export type FormatFile = z.infer<typeof format>;
export type FilesFile = z.infer<typeof files>;
export type TargetFile = z.infer<typeof target>;
export type SourceKeyFile = z.infer<typeof sourceKey>;
export type CanaryFile = z.infer<typeof canary>;
export type Where = z.infer<typeof where>;
