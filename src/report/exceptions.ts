import type { ExceptionReason } from '../checkpoint/exception-table.ts';
import { isWriting } from '../checkpoint/run.ts';
import { thousands } from './count.ts';
import { type Block, bullets, gap, paragraph, table } from './layout.ts';
import type { Report } from './report.ts';

/** What each reason means, for people. */
const reasons: Readonly<Record<ExceptionReason, string>> = {
  'does-not-open': 'ciphertext that no key of the run can decrypt',
  'not-ciphertext': 'no ciphertext where the job expects ciphertext',
  'malformed-document': 'the document that contains the value cannot be parsed',
  undecided: 'can be decrypted with the old and with the new key: a person must decide',
  'undecided-place':
    'can be decrypted, but the content is neither text nor a certificate or key: use --decide',
  changing:
    'a file that another program is writing, or whose content is neither the original nor the result of the rotation',
  stray:
    'uses the old key, was added during the run, and is inside content that keyturn does not parse: correct it, or use --decide',
  implausible: 'can be decrypted, but the job does not allow this content',
  'digest-differs': 'the row differs from the row before the rotation',
  unproven: 'the row was written with the new key during the run; nothing proves its content',
  nested:
    'encrypted twice: the decrypted value is itself ciphertext under the current key; decide with --nested rotate or --nested unwrap',
  'other-label': 'the column that names the key of the row contains something else than the job says',
  'held-back': 'another value of the row cannot be rotated, and one column names the key of both',
  'under-new-key': 'cannot be decrypted with the current key, but with the new one',
};

/** Why values could not be rotated, each with its place. */
export function exceptionsSection({ exceptions: { count: all, listed }, run }: Report): Block[] {
  if (all === 0) return paragraph('None.');
  const more = all - listed.length;
  const used = [...new Set(listed.map(({ reason }) => reason))].sort();
  const elsewhere = isWriting(run.kind)
    ? 'keyturn exceptions list shows all of them'
    : 'fix these, then run the command again to see the others';
  return [
    ...table(
      ['table', 'row id', 'field', 'path', 'reason'],
      listed.map(({ table: name, rowId, field, path, reason }) => [
        name,
        rowId.join(', '),
        field,
        path,
        reason,
      ]),
      'left',
    ),
    ...(more <= 0 ? [] : paragraph(`… and ${thousands(more)} more: ${elsewhere}.`)),
    gap,
    ...bullets(used.map((reason) => `${reason}: ${reasons[reason] ?? ''}`)),
  ];
}
