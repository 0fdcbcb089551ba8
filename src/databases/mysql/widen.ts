import { cannotWiden } from '../widen.ts';
import type { Ask } from './catalog.ts';
import { quote } from './statement.ts';

/** Bytes that a text or a blob holds: https://dev.mysql.com/doc/refman/8.4/en/storage-requirements.html#data-types-storage-reqs-strings */
const sizes = [
  ['tiny', 255],
  ['', 65_535],
  ['medium', 16_777_215],
  ['long', 4_294_967_295],
] as const;

/** MODIFY needs the whole declaration: the column's line of SHOW CREATE TABLE, with another length. */
export async function widenColumn(ask: Ask, table: string, column: string, length: number): Promise<void> {
  const [shown] = await ask(`show create table ${quote(table)}`);
  const start = `  ${quote(column)} `;
  const line = (shown?.[1] ?? '').split('\n').find((each) => each.startsWith(start));
  const declared = line?.slice(start.length).replace(/,$/, '');
  const widened = declared === undefined ? undefined : withLength(declared, length);
  if (widened === undefined) throw cannotWiden(table, column);
  await ask(`alter table ${quote(table)} modify column ${start}${widened}`);
}

function withLength(declared: string, length: number): string | undefined {
  if (/^(varchar|varbinary|char|binary)\(\d+\)/i.test(declared))
    return declared.replace(/\(\d+\)/, `(${BigInt(length)})`);
  const [, kind] = /^(?:tiny|medium|long)?(text|blob)\b/i.exec(declared) ?? [];
  const size = sizes.find(([, bytes]) => length <= bytes)?.[0];
  return kind === undefined || size === undefined ? undefined : declared.replace(/^\w+/, `${size}${kind}`);
}
