import type { Table } from '../../databases/database.ts';
import type { Job } from '../../job/job.ts';
import { placeText } from '../../job/place.ts';

/** A part of a prefix that names a key: hexadecimal, a UUID, a long random text, or `key_1`. Not `enc`, `v2`, `aes256`. */
const keyName =
  /^([0-9a-f]{6,}|[0-9a-f]{8}-[0-9a-f-]{27}|(?=.*\d)[A-Za-z0-9_-]{16,}|(key|kid|k)[-_]?\d[\w-]*)$/i;

/** Columns that say by their names which key the values of a row use. */
const labelName =
  /^(kid|key_?label|key_?version|(encrypt\w*|cipher\w*|secret\w*|master)_?key_?(id|label|version|name))$/i;

/** For the operator: what names the old key and stays, so that the application may use the old key for new ciphertext. */
export function keyNameWarnings(catalog: readonly Table[], { targets }: Job): string[] {
  return [...new Set(targets.flatMap(({ shape, fields }) => warningsOf(shape.table, fields, catalog)))];
}

function prefixOf(format: Job['targets'][number]['fields'][number]['format']): string {
  if (typeof format === 'string') return '';
  if ('changed' in format) return prefixOf(format.changed.after);
  if ('under' in format) return prefixOf(format.under.format);
  if ('aes-gcm' in format) return format['aes-gcm'].prefix;
  const { layers, keyId } = format.described;
  if (keyId !== undefined) return '';
  return layers
    .flatMap((layer) => (typeof layer === 'object' && 'prefix' in layer ? [layer.prefix] : []))
    .join('');
}

function warningsOf(
  table: string,
  fields: Job['targets'][number]['fields'],
  catalog: readonly Table[],
): string[] {
  const prefixes = fields.flatMap(({ column, format }) => {
    const prefix = prefixOf(format);
    const name = prefix.split(/[^A-Za-z0-9_-]+/).find((part) => keyName.test(part) && /\d/.test(part));
    return name === undefined
      ? []
      : [
          `the prefix of ${placeText(table, column, '')} seems to name a key (${name}), and stays as it is: check that the application does not choose the key by it`,
        ];
  });
  const known = new Set(fields.flatMap(({ column, set }) => [column, set?.column]));
  const columns = catalog.find(({ name }) => name === table)?.columns ?? [];
  const labels = columns
    .filter(({ name }) => labelName.test(name) && !known.has(name))
    .map(
      ({ name }) =>
        `${placeText(table, name, '')} seems to name the key of each row, and stays as it is: if it does, add set: { column: ${name}, was: …, to: … } to the fields in the job`,
    );
  return fields.length === 0 ? [] : [...prefixes, ...labels];
}
