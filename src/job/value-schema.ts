import { z } from 'zod';

/** Engines write a boolean in different ways; PostgreSQL true, the others 1. */
const truth = z.boolean().transform((is) => (is ? ['true', '1'] : ['false', '0']));

/** Selects rows: each named column must equal the given value, or one of them. */
export const where = z.record(z.string(), z.union([z.string(), truth, z.array(z.string()).min(1)]));

const jsonPath = z
  .string()
  .regex(/^(\.[A-Za-z0-9_$-]+|\[\d+\])+$/, 'a path such as .clientSecret or .a.b[0]')
  .describe('Path of a string, such as .clientSecret or .a.b[0]');

export const document = z
  .union([
    z.literal('text').describe('The whole value is one ciphertext'),
    z.literal('list').describe('Ciphertexts separated by commas'),
    z
      .literal('any')
      .describe('JSON: any string at any depth, also in JSON inside strings. Other text: the whole text'),
    z.literal('gzip').describe('A gzip of such text in a binary column (SQL Server: COMPRESS of nvarchar)'),
    z
      .literal('within')
      .describe("Other text (YAML, markup, PHP's serialize): every value in it, found by its beginning"),
    z
      .strictObject({ json: z.union([z.array(jsonPath).min(1), z.enum(['any', 'nested'])]) })
      .describe(
        'JSON: the strings at these paths, or any string at any depth (nested: also in JSON inside strings)',
      ),
  ])
  .describe('How the column contains ciphertext. Default: text');

export const under = z
  .string()
  .min(1)
  .optional()
  .describe('The further key of the job (keys) that values are under. Default: the master key');

export const beside = z
  .array(z.string().min(1))
  .min(1)
  .optional()
  .describe('Columns that contain the other parts of each value, for a format with `columns`');

export const trim = z
  .boolean()
  .optional()
  .describe('True: there may be white space around ciphertext; it is kept. Default: false');

export const lines = z
  .number()
  .int()
  .positive()
  .optional()
  .describe(
    "Number of characters per line, if ciphertext is broken into lines, which are kept (60: Ruby's pack, 76: MIME, MySQL's TO_BASE64). Default: one line",
  );
