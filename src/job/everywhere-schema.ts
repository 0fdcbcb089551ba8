import { z } from 'zod';
import { format } from './format-schema.ts';
import { isPlace } from './place.ts';

const scalar = z.union([z.string(), z.number(), z.boolean()]);

export const everywhere = z
  .strictObject({
    text: format.describe('Format of ciphertext in text, in JSON, and in gzips of them'),
    binary: format
      .optional()
      .describe('Format of binary columns that contain nothing but ciphertext. Default: none'),
    sensitive: z
      .array(
        z.union([
          z.strictObject({
            place: z
              .string()
              .refine(isPlace, 'Table.Column.path, as keyturn scan prints it')
              .describe('Table.Column.path, with [] for array items'),
          }),
          z.strictObject({ sibling: z.record(z.string(), scalar) }),
          z.strictObject({
            members: z
              .array(z.string().min(1))
              .min(1)
              .describe(
                'Names of members of documents, at any depth, or of columns: whatever is in them. `Password` is also `Any.Name.Password`',
              ),
          }),
        ]),
      )
      .default([])
      .describe(
        'Known sensitive places: by name, by a sibling of the value, or by the name of a member. A value that cannot be decrypted is an exception there, and a look-alike elsewhere',
      ),
  })
  .describe('Finds ciphertext by shape, in all text and binary columns that no phase declares');
