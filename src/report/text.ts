import { count, thousands } from './count.ts';
import { derivedSection } from './derived-secrets.ts';
import { exceptionsSection } from './exceptions.ts';
import { bullets, labelled, section, title, wrap } from './layout.ts';
import { onlyText } from './only-key.ts';
import { placesSection } from './places.ts';
import type { Report } from './report.ts';
import {
  authoritySection,
  historySection,
  inventorySection,
  keysSection,
  rowsSection,
  runSection,
  sweepsSection,
  valuesSection,
  verificationSection,
} from './sections.ts';

const titles: Readonly<Record<Report['run']['kind'], string>> = {
  rotation: 'ROTATE MASTER KEY REPORT',
  rollback: 'ROLLBACK REPORT',
  'dry-run': 'DRY RUN REPORT',
  verification: 'VERIFICATION REPORT',
};

/** The report for people, in the layout that users of Octopus Deploy know. Times are UTC. */
export function reportText(report: Report): string {
  const lines = [
    ...title(titles[report.run.kind]),
    ...wrap(report.verdict.text),
    '',
    ...summary(report),
    ...section('EXCEPTIONS', exceptionsSection(report)),
    ...section('RUN', runSection(report)),
    ...section('AUTHORITY', authoritySection(report)),
    ...section('KEYS', keysSection(report)),
    ...section('DERIVED SECRETS', derivedSection(report)),
    ...section('INVENTORY', inventorySection(report)),
    ...(report.inventory.places === null ? [] : section('PLACES', placesSection(report.inventory.places))),
    ...section('ROWS', rowsSection(report)),
    ...section('VALUES', valuesSection(report)),
    ...section('SWEEPS', sweepsSection(report)),
    ...section('VERIFICATION', verificationSection(report)),
    ...section('WHERE OLD CIPHERTEXT CAN REMAIN', bullets(report.survival)),
    ...section('HISTORY (UTC)', historySection(report)),
  ];
  return `${lines.join('\n')}\n`;
}

function summary(report: Report): string[] {
  return report.run.kind === 'verification' ? verificationSummary(report) : rotationSummary(report);
}

function rotationSummary({ keys, run, totals, exceptions }: Report): string[] {
  const { tally } = totals.ranges;
  const lines: readonly (readonly [number, string])[] = [
    [
      tally.rotated,
      run.kind === 'dry-run' ? 'would be encrypted with the new key' : 'encrypted with the new key',
    ],
    [tally.nested, 'of them encrypted twice'],
    [tally.current, 'already current, left unchanged'],
    [tally.empty, 'empty'],
    [tally.lookAlikes, 'look-alikes, left unchanged'],
    [tally.undecided, 'undecided, left unchanged'],
    [tally.exceptions, `left unchanged due to errors (open exceptions now: ${thousands(exceptions.count)})`],
  ];
  const shown = lines.filter(([n], i) => n > 0 || i === 0 || i === lines.length - 1);
  const room = Math.max(...shown.map(([n]) => thousands(n).length));
  return [
    ...(keys.only === null
      ? [...labelled('New key', keys.to.id), ...labelled('Old key', keys.from.id)]
      : [...labelled('New key', onlyText(keys.only)), ...labelled('Old keys', 'all others of the values')]),
    ...wrap(`Processed ${count(tally.rows, 'row')} with ${count(tally.values, 'value')}:`),
    ...shown.map(([n, what]) => `  ${thousands(n).padStart(room)} ${what}`),
  ];
}

function verificationSummary({ keys, totals: { verification }, exceptions }: Report): string[] {
  return [
    ...labelled('Key', keys.to.id),
    ...wrap(`Read ${count(verification.rows, 'row')} with ${count(verification.values, 'value')}.`),
    ...wrap(`Open exceptions: ${thousands(exceptions.count)}.`),
  ];
}
