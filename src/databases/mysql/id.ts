/** Of a column, as information_schema tells it. */
export interface MysqlType {
  /** `varchar`, `bigint`, `enum`… */
  readonly data: string;
  /** `varchar(20)`, `bigint(20) unsigned`, `enum('a','b')`… */
  readonly full: string;
  readonly charset: string | null;
  readonly collation: string | null;
}

/** Text of an id column's value, from which `idValue` makes the very same value again. */
export function idText({ data }: MysqlType, column: string): string {
  switch (data) {
    case 'binary':
    case 'varbinary':
      return `hex(${column})`;
    case 'bit':
    case 'set':
      return `cast(cast(${column} as unsigned) as char)`;
    case 'float':
      // As itself it is shown with six digits, and two values may look alike
      return `cast(cast(${column} as double) as char)`;
    default:
      return `cast(${column} as char)`;
  }
}

/**
 * The value of such a text, of the column's own type and collation: a comparison of the bare column with anything else
 * uses no index, or another order than the index's.
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
      return `cast(${text} as ${/unsigned/.test(full) ? 'unsigned' : 'signed'})`;
    case 'year':
    case 'bit':
    case 'set':
      return `cast(${text} as unsigned)`;
    case 'enum':
      // Its order is that of its declaration
      return `field(convert(${text} using utf8mb4) collate utf8mb4_bin, ${full.slice('enum('.length, -1)})`;
    case 'decimal':
      return `cast(${text} as ${/^decimal\(\d+,\d+\)/.exec(full)?.[0] ?? 'decimal(65,30)'})`;
    case 'float':
    case 'double':
      return `cast(${text} as double)`;
    case 'datetime':
    case 'timestamp':
      return `cast(${text} as datetime(6))`;
    case 'time':
      return `cast(${text} as time(6))`;
    case 'binary':
    case 'varbinary':
      return `unhex(${text})`;
    default:
      // date, and MariaDB's uuid, inet4, inet6
      return `cast(${text} as ${data})`;
  }
}
