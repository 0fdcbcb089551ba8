import { z } from 'zod';
import type { FieldFormat } from '../formats/registry.ts';
import { constant, described } from './described-schema.ts';

const aesGcm = z
  .strictObject({
    layout: z
      .array(z.string().regex(/^(nonce \d+|tag \d+|ciphertext)$/, 'nonce N, tag N (N bytes) or ciphertext'))
      .describe('The parts in order, with their lengths in bytes: [nonce 12, ciphertext, tag 16]'),
    encoding: z
      .enum(['base64', 'base64url', 'hex', 'raw'])
      .default('base64')
      .describe('Encoding of the bytes'),
    prefix: z
      .string()
      .regex(/^[ -~]*$/, 'printable ASCII')
      .default('')
      .describe('What every ciphertext begins with, not encoded'),
    separator: z
      .string()
      .regex(/^[^A-Za-z0-9+/=_-]*$/, 'no character that an encoding uses')
      .default('')
      .describe(
        'Separates the parts, each of which is then encoded on its own. Default: all parts are encoded together',
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
      .describe('How the AES key is derived from the master key'),
    aad: constant
      .default('')
      .describe('Additional authenticated data: a text as UTF-8, { column: … } or what it consists of'),
  })
  .describe('AES-GCM in a layout of your own');

/** How a job file declares a ciphertext format. */
export const format = z
  .union([
    z.string().describe('Name of a ciphertext format'),
    z.strictObject({ 'aes-gcm': aesGcm }).describe('AES-GCM in a layout of your own'),
    z.strictObject({ described }).describe('Any other layout'),
  ])
  .describe('Layout and cipher of the ciphertext')
  .meta({ id: 'format' });

export type FormatFile = z.infer<typeof format>;

/** A format of a field in a resolved job. */
export const fieldFormat: z.ZodType<FieldFormat> = z.lazy(() =>
  z.union([
    format,
    z.strictObject({ changed: z.strictObject({ before: fieldFormat, after: fieldFormat }) }),
    z.strictObject({ under: z.strictObject({ key: z.string(), format: fieldFormat }) }),
  ]),
) as z.ZodType<FieldFormat>;
