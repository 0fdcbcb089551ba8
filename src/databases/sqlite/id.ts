/** https://www.sqlite.org/datatype3.html#determination_of_column_affinity; NUMERIC, INTEGER and REAL compare alike. */
export type Affinity = 'text' | 'numeric' | 'none';

/** As better-sqlite3 returns it when safe integers are on. */
export type SqliteValue = bigint | number | string | Buffer | null;

export function affinityOf(declared: string, strict: boolean): Affinity {
  const type = declared.toUpperCase();
  if (type.includes('INT')) return 'numeric';
  if (/CHAR|CLOB|TEXT/.test(type)) return 'text';
  if (type === '' || type.includes('BLOB') || (strict && type === 'ANY')) return 'none';
  return 'numeric';
}

const number = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/;
const integer = /^-?\d+$/;
const largest = 2n ** 63n;

/**
 * Any SQLite column can hold any value, and 1, '1' and x'31' are three different ids. The text is plain if the column's
 * affinity makes it unambiguous; otherwise it begins with the type: `i:`nteger, `r:`eal, `t:`ext, `x:`hex of a blob.
 */
export function idText(value: SqliteValue, affinity: Affinity): string {
  if (value === null) throw new TypeError('a row id is never null');
  if (Buffer.isBuffer(value)) return `x:${value.toString('hex')}`;
  if (typeof value === 'string') return isPlainText(value, affinity) ? value : `t:${value}`;
  const text = String(value);
  if (affinity === 'numeric' && number.test(text)) return text;
  return `${typeof value === 'bigint' ? 'i' : 'r'}:${text}`;
}

export function idValue(text: string, affinity: Affinity): SqliteValue {
  const [, type, rest = ''] = /^([irtx]):(.*)$/s.exec(text) ?? [];
  if (type === 'x') return Buffer.from(rest, 'hex');
  if (type === 't') return rest;
  if (type === 'i') return BigInt(rest);
  if (type === 'r') return Number(rest);
  return affinity === 'numeric' && number.test(text) ? numberOf(text) : text;
}

function isPlainText(text: string, affinity: Affinity): boolean {
  return !/^[irtx]:/.test(text) && !(affinity === 'numeric' && number.test(text));
}

/** A real beyond 2^63 may also be written without a point or an exponent. */
function numberOf(text: string): bigint | number {
  if (!integer.test(text)) return Number(text);
  const whole = BigInt(text);
  return whole >= -largest && whole < largest ? whole : Number(text);
}
