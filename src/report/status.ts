import { count, thousands } from './count.ts';
import type { Figures } from './figures.ts';
import { labelled, table, wrap } from './layout.ts';
import type { Report } from './report.ts';
import { moment } from './time.ts';

/** Where a run stands, in a few lines. */
export function statusText(report: Report): string {
  const { run, keys, totals, times, proof, exceptions } = report;
  const which = run.kind === 'verification' ? `key ${keys.to.id}` : `key ${keys.from.id} to ${keys.to.id}`;
  const lines = [
    ...wrap(report.verdict.text),
    ...labelled('Run', `${run.id} (${run.kind}), ${which}`),
    ...labelled('State', run.reason === null ? run.state : `${run.state} (${run.reason.code})`),
    ...labelled('Database', report.database),
    ...labelled('Started', `${moment(times.created)} UTC`),
    ...(times.finished === null ? [] : labelled('Ended', `${moment(times.finished)} UTC`)),
    ...labelled(
      'Verification',
      proof.scans === 0 ? 'not begun' : `${count(proof.scans, 'scan')}, ${count(proof.sweeps, 'sweep')}`,
    ),
    ...labelled('Exceptions', thousands(exceptions.count)),
    '',
    ...progressTable(report, totals),
  ];
  return `${lines.join('\n')}\n`;
}

function progressTable({ run, targets, proof }: Report, totals: Figures): string[] {
  const heads = ['target', 'rows', 'rotated', '', 'verified', '', 'except'];
  return table(
    heads,
    [...targets, { target: 'all targets', ...totals }].map((figures) => {
      const { target, rowsAtStart, ranges, verification, exceptions } = figures;
      const total = rowsAtStart ?? ranges.tally.rows;
      const rotated = run.kind === 'verification' ? null : ranges.tally.rows;
      const verified = proof.scans === 0 ? null : verification.rowsSoFar;
      return [
        target,
        thousands(total),
        ...share(rotated, total, isRotated(figures)),
        ...share(verified, total, verification.complete),
        thousands(exceptions),
      ];
    }),
  );
}

/** Rows come and go during a run: only what is done says 100 %, and it always does. */
function share(done: number | null, total: number, complete: boolean): [string, string] {
  if (done === null) return ['-', ''];
  const percent = complete ? 100 : total === 0 ? 0 : Math.min(99, Math.floor((done / total) * 100));
  return [thousands(done), `${percent}%`];
}

function isRotated({ ranges, plannedOut }: Figures): boolean {
  return plannedOut && ranges.open + ranges.failed === 0;
}
