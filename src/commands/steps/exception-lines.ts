import { nameText } from '../../job/place.ts';
import { printable } from '../../report/layout.ts';
import type { ListedException } from '../../report/report.ts';

/** `credentials_entity row abc, data: does-not-open`: the location and the reason, never the content. */
export function exceptionLine({
  table,
  rowId,
  field,
  path,
  reason,
}: Pick<ListedException, 'table' | 'rowId' | 'field' | 'path' | 'reason'>): string {
  const at = field === '' ? '' : `, ${nameText(field)}${path}`;
  return printable(`${nameText(table)} row ${rowId.join(', ')}${at}: ${reason}`);
}
