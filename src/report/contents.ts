import { count, thousands } from './count.ts';
import { derivedSection } from './derived-secrets.ts';
import { exceptionsSection } from './exceptions.ts';
import { type Block, bullets, labelled, numbers, paragraph } from './layout.ts';
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

/** The report in the order in which people read it. */
export interface Contents {
  readonly title: string;
  readonly verdict: string;
  readonly summary: readonly Block[];
  /** A section without content is not shown. */
  readonly sections: readonly { readonly heading: string; readonly body: readonly Block[] }[];
}

/** What the text and the page show, in the layout that users of Octopus Deploy know. Times are UTC. */
export function contentsOf(report: Report): Contents {
  const sections: readonly (readonly [string, readonly Block[]])[] = [
    ['EXCEPTIONS', exceptionsSection(report)],
    ['RUN', runSection(report)],
    ['AUTHORITY', authoritySection(report)],
    ['KEYS', keysSection(report)],
    ['DERIVED SECRETS', derivedSection(report)],
    ['INVENTORY', inventorySection(report)],
    ['PLACES', report.inventory.places === null ? [] : placesSection(report.inventory.places)],
    ['ROWS', rowsSection(report)],
    ['VALUES', valuesSection(report)],
    ['SWEEPS', sweepsSection(report)],
    ['VERIFICATION', verificationSection(report)],
    ['WHERE OLD CIPHERTEXT CAN REMAIN', bullets(report.survival)],
    ['HISTORY (UTC)', historySection(report)],
  ];
  return {
    title: titles[report.run.kind],
    verdict: report.verdict.text,
    summary: report.run.kind === 'verification' ? verificationSummary(report) : rotationSummary(report),
    sections: sections.filter(([, body]) => body.length > 0).map(([heading, body]) => ({ heading, body })),
  };
}

function rotationSummary({ keys, run, totals, exceptions }: Report): Block[] {
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
  return [
    ...(keys.only === null
      ? [...labelled('New key', keys.to.id), ...labelled('Old key', keys.from.id)]
      : [...labelled('New key', onlyText(keys.only)), ...labelled('Old keys', 'all others of the values')]),
    ...paragraph(`Processed ${count(tally.rows, 'row')} with ${count(tally.values, 'value')}:`),
    ...numbers(shown.map(([n, what]) => [thousands(n), what] as const)),
  ];
}

function verificationSummary({ keys, totals: { verification }, exceptions }: Report): Block[] {
  return [
    ...labelled('Key', keys.to.id),
    ...paragraph(`Read ${count(verification.rows, 'row')} with ${count(verification.values, 'value')}.`),
    ...paragraph(`Open exceptions: ${thousands(exceptions.count)}.`),
  ];
}
