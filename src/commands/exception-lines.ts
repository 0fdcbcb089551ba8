import type { ListedException } from '../report/report.ts';
import { rowIdText } from '../report/row-id.ts';

/** `credentials_entity row abc, data: does-not-open`: where and why, never what. */
export function exceptionLine({
  table,
  rowId,
  field,
  path,
  reason,
}: Pick<ListedException, 'table' | 'rowId' | 'field' | 'path' | 'reason'>): string {
  const at = field === '' ? '' : `, ${field}${path}`;
  return `${table} row ${rowIdText(rowId)}${at}: ${reason}`;
}
