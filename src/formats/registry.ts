import { KeyturnError } from '../error.ts';
import { aesGcm } from './aes-gcm.ts';
import type { AesGcmLayout } from './aes-gcm-layout.ts';
import { changedFormat } from './changed-format.ts';
import { describedFormat } from './described/described.ts';
import { complete, type DescriptionFile } from './described/description.ts';
import { fromAesGcm } from './described/from-aes-gcm.ts';
import { knownDescriptions } from './described/known.ts';
import { fernet } from './fernet.ts';
import type { Format } from './format.ts';
import { n8n } from './n8n.ts';
import { n8nWrapped } from './n8n-wrapped.ts';
import { octopus, octopusStream } from './octopus.ts';
import { underKey } from './under-key.ts';

/** A format in a job file: a name, or a description. */
export type DeclaredFormat =
  | string
  | { readonly 'aes-gcm': AesGcmLayout }
  | { readonly described: DescriptionFile };

/** A format of a field, as a resolved job has it. */
export type FieldFormat =
  | DeclaredFormat
  /** Under a further key of the job. */
  | { readonly under: { readonly key: string; readonly format: FieldFormat } }
  /** One before the run, another one after it. */
  | { readonly changed: { readonly before: FieldFormat; readonly after: FieldFormat } };

const named: ReadonlyMap<string, Format> = new Map(
  [n8n, n8nWrapped, octopus, octopusStream, fernet].map((format) => [format.name, format]),
);

/** The formats that are programmed. */
export const programmedFormats: readonly Format[] = [...named.values()];

/** Names of the formats that a job need not describe. */
export const formatNames: readonly string[] = [...named.keys(), ...knownDescriptions.keys()];

/** By description, so that equal ones are the same object: values are batched by format. */
const described = new Map<string, Format>();

/** The format that a job declares; the same object for equal declarations. */
export function formatOf(declared: FieldFormat): Format {
  if (typeof declared !== 'string') return describedBy(declared);
  const known = knownDescriptions.get(declared);
  const format = known === undefined ? named.get(declared) : describedBy({ described: known });
  if (format === undefined) {
    throw new KeyturnError('job-invalid', `unknown ciphertext format "${declared}"`, {
      hint: 'keyturn formats lists the known formats; aes-gcm and described need a layout',
    });
  }
  return format;
}

function describedBy(declared: Exclude<FieldFormat, string>): Format {
  const description = canonicalJson(declared);
  const known = described.get(description);
  if (known !== undefined) return known;
  const format = compiled(declared);
  described.set(description, format);
  return format;
}

function compiled(declared: Exclude<FieldFormat, string>): Format {
  if ('under' in declared) return underKey(formatOf(declared.under.format), declared.under.key);
  if ('changed' in declared)
    return changedFormat(formatOf(declared.changed.before), formatOf(declared.changed.after));
  if ('described' in declared) return describedFormat(complete(declared.described));
  const { aad } = declared['aes-gcm'];
  return typeof aad === 'string'
    ? aesGcm({ ...declared['aes-gcm'], aad })
    : describedFormat(complete(fromAesGcm(declared['aes-gcm'])));
}

/** The description of a format that has one. */
export function descriptionOf(declared: DeclaredFormat): DescriptionFile | undefined {
  if (typeof declared === 'string') return knownDescriptions.get(declared);
  return 'described' in declared ? declared.described : fromAesGcm(declared['aes-gcm']);
}

/** A database may return a stored job with its properties in another order. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
