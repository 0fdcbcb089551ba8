/** The type of a column, as information_schema has it. */
export interface MysqlType {
  /** `varchar`, `bigint`, `enum`… */
  readonly data: string;
  /** `varchar(20)`, `bigint(20) unsigned`, `enum('a','b')`… */
  readonly full: string;
  readonly charset: string | null;
  readonly collation: string | null;
}

/** The value of an id column as text, from which `idValue` restores exactly the same value. */
export function idText({ data }: MysqlType, column: string): string {
  switch (data) {
    case 'binary':
    case 'varbinary':
      return `hex(${column})`;
    case 'bit':
    case 'set':
      return `cast(cast(${column} as unsigned) as char)`;
    case 'float':
      // A float is shown with six digits, so that two different values may have the same text
      return `cast(cast(${column} as double) as char)`;
    default:
      return `cast(${column} as char)`;
  }
}

/**
 * The value of such a text, in the column's own type and collation: a comparison of the column with any other type or
 * collation does not use the index, or uses another order than the index has.
 */
export function idValue({ data, full, charset, collation }: MysqlType, text: string): string {
  if (charset !== null && data !== 'enum' && data !== 'set')
    return `convert(${text} using ${charset}) collate ${collation}`;
  switch (data) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'bigint':
      return /unsigned/.test(full) ? cast(text, 'unsigned') : cast(text, 'signed');
    case 'year':
    case 'bit':
    case 'set':
      return cast(text, 'unsigned');
    case 'enum':
      // An enum is ordered as it was declared
      return `field(convert(${text} using utf8mb4) collate utf8mb4_bin, ${full.slice('enum('.length, -1)})`;
    case 'decimal':
      return cast(text, /^decimal\(\d+,\d+\)/.exec(full)?.[0] ?? 'decimal(65,30)');
    case 'float':
      // The text of a double has a digit too few to be equal to a float
      return cast(text, 'float');
    case 'double':
      return cast(text, 'double');
    case 'datetime':
    case 'timestamp':
      return cast(text, 'datetime(6)');
    case 'time':
      return cast(text, 'time(6)');
    case 'binary':
    case 'varbinary':
      return `unhex(${text})`;
    default:
      // date, and uuid, inet4 and inet6 of MariaDB
      return cast(text, data);
  }
}

/**
 * MySQL takes a bare parameter for one of the type of the cast: it cuts numbers beyond 2^63, and reads a time of less than
 * a second as hours.
 */
function cast(text: string, type: string): string {
  return `cast(convert(${text} using utf8mb4) as ${type})`;
}
