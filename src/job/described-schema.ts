import { z } from 'zod';
import { cipherNames } from '../formats/described/cipher.ts';

const bytes = z.int().min(1).max(1024);
const hex = z.string().regex(/^([0-9a-fA-F]{2})*$/, 'pairs of hex digits');
const atom = z.union([
  z.string(),
  z.strictObject({ hex }),
  z.strictObject({ key: z.string().min(1) }).describe('A further key of the job (keys), such as a salt'),
  z.strictObject({ column: z.string().min(1) }).describe('What a column of the row contains'),
  z
    .strictObject({ place: z.enum(['table', 'column', 'member']) })
    .describe('Name of the table, of the column, or of the member of a JSON document'),
]);
export const constant = z
  .union([atom, z.array(atom).min(1)])
  .describe(
    'A text as UTF-8, or { hex: … }, { key: … }, { column: … }, { place: … }, or a list of them, one after the other',
  );
const salt = z.union([constant, z.strictObject({ part: z.literal('salt') })]);
const hash = z.enum(['md5', 'sha1', 'sha256', 'sha384', 'sha512']);

const keyStep = z
  .union([
    z.enum([
      ...(['utf8', 'latin1', 'hex', 'base64', 'base64url', 'to-hex', 'to-base64'] as const),
      ...hash.options,
    ]),
    z
      .strictObject({ key: z.string().min(1) })
      .describe('A further key of the job (keys) in the place of the master key'),
    z.strictObject({ strip: z.string(), decode: z.enum(['hex', 'base64', 'base64url']).optional() }),
    z.strictObject({
      slice: z.union([z.tuple([z.int().min(0)]), z.tuple([z.int().min(0), z.int().min(1)])]),
    }),
    z.strictObject({ append: constant }),
    z.strictObject({ prepend: constant }),
    z.strictObject({ fold: bytes }),
    z.strictObject({ hmac: z.strictObject({ hash, of: constant }) }),
    z.strictObject({
      hkdf: z.strictObject({
        hash: hash.default('sha256'),
        salt: salt.default(''),
        info: constant.default(''),
        bytes,
      }),
    }),
    z.strictObject({
      pbkdf2: z.strictObject({ hash, salt, iterations: z.int().min(1).max(10_000_000), bytes }),
    }),
    z.strictObject({
      scrypt: z.strictObject({
        salt,
        N: z
          .int()
          .min(2)
          .max(2 ** 20),
        r: z.int().min(1).max(64),
        p: z.int().min(1).max(64),
        bytes,
      }),
    }),
    z.strictObject({
      'evp-bytes-to-key': z.strictObject({
        hash: hash.default('md5'),
        salt: salt.default({ part: 'salt' }),
        iterations: z.int().min(1).max(1_000_000).default(1),
        bytes,
      }),
    }),
  ])
  .describe('A step on the way from the master key to the key of the cipher');

const piece = z.union([z.string(), z.strictObject({ text: z.string() }), z.strictObject({ hex })]);

export const described = z
  .strictObject({
    name: z.string().min(1).max(40).optional().describe('What reports call the format'),
    layers: z
      .array(
        z.union([
          z.enum(['base64', 'base64url', 'hex']),
          z.strictObject({ prefix: z.string().min(1) }),
          z.strictObject({ suffix: z.string().min(1) }),
        ]),
      )
      .default([])
      .describe('What is around the parts, from the outside in'),
    parts: z.array(piece).min(1).optional().describe('Bytes one after the other: [iv 16, ciphertext]'),
    separated: z
      .strictObject({ by: z.string(), parts: z.array(piece).min(1) })
      .optional()
      .describe(
        'Texts with a separator: { by: ":", parts: [iv 16 hex, ciphertext hex] }. Empty: nothing is between them, and all but one have a length',
      ),
    json: z
      .record(z.string().min(1), z.string())
      .optional()
      .describe('Members of a JSON object: { iv: iv 16 base64, value: ciphertext base64 }'),
    columns: z
      .array(z.union([z.string(), z.strictObject({ prefix: z.string().min(1), part: z.string() })]))
      .min(2)
      .optional()
      .describe(
        'Parts in columns of their own, which the field names in `column` and `with`: [ciphertext + tag 16 pack-m, iv 12 pack-m]',
      ),
    cipher: z.enum(cipherNames as [string, ...string[]] as never as [(typeof cipherNames)[number]]),
    padding: z
      .enum(['pkcs7', 'iso7816', 'x923', 'star', 'none'])
      .optional()
      .describe('Default: pkcs7 for CBC and ECB, otherwise none'),
    iv: z
      .union([
        z.strictObject({ hex }).describe('The same IV for all values'),
        z.strictObject({ key: z.array(keyStep).min(1) }).describe('The IV is derived from the master key'),
        z
          .strictObject({ hmac: hash })
          .describe('The IV is an HMAC of the plaintext: equal plaintexts stay equal'),
        z
          .strictObject({ hash, as: z.literal('hex').optional() })
          .describe('The IV is a hash of the plaintext, as bytes or as the text of its hex digits'),
      ])
      .optional()
      .describe('Where the IV comes from. Default: from the part iv, random when encrypting'),
    key: z.array(keyStep).default([]).describe("How the cipher's key is derived from the master key"),
    mac: z
      .strictObject({
        hash,
        over: z
          .array(z.union([z.string(), z.strictObject({ text: z.string() })]))
          .min(1)
          .describe('Parts: iv (its bytes), iv text (as it is stored), before (all bytes before the MAC)'),
        key: z.array(keyStep).optional().describe('Default: the key of the cipher'),
      })
      .optional()
      .describe('An HMAC over the ciphertext'),
    keyId: z.array(keyStep).min(1).optional().describe('How the part key-id follows from the master key'),
    aad: z
      .union([constant, z.strictObject({ part: z.literal('kept') })])
      .default('')
      .describe('Additional authenticated data: a text as UTF-8, or what it consists of'),
  })
  .describe('Layout and cipher of your own');

export type DescribedFile = z.infer<typeof described>;
