import { KeyturnError } from '../error.ts';
import { aesGcm } from './aes-gcm.ts';
import type { AesGcmLayout } from './aes-gcm-layout.ts';
import { describedFormat } from './described/described.ts';
import { complete, type DescriptionFile } from './described/description.ts';
import { knownDescriptions } from './described/known.ts';
import { fernet } from './fernet.ts';
import type { Format } from './format.ts';
import { n8n } from './n8n.ts';
import { n8nWrapped } from './n8n-wrapped.ts';
import { octopus, octopusStream } from './octopus.ts';

/** A format in a job file: a name, or a description. */
export type DeclaredFormat =
  | string
  | { readonly 'aes-gcm': AesGcmLayout }
  | { readonly described: DescriptionFile };

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
export function formatOf(declared: DeclaredFormat): Format {
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

function describedBy(declared: Exclude<DeclaredFormat, string>): Format {
  const description = canonicalJson(declared);
  const known = described.get(description);
  if (known !== undefined) return known;
  const format =
    'aes-gcm' in declared ? aesGcm(declared['aes-gcm']) : describedFormat(complete(declared.described));
  described.set(description, format);
  return format;
}

/** A database may return a stored job with its properties in another order. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
