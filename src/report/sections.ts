import { isWriting } from '../checkpoint/run.ts';
import { count, thousands } from './count.ts';
import type { Figures } from './figures.ts';
import { type Block, bullets, gap, labelled, paragraph, table } from './layout.ts';
import { onlyText } from './only-key.ts';
import type { Report } from './report.ts';
import { duration, moment } from './time.ts';

/** The sections of the report as lines. A section without lines is not shown. */

export function runSection({ run, job, database, options, times }: Report): Block[] {
  const { created, finished, pauses } = times;
  return [
    ...labelled('Run', `${run.id} (${run.kind})`),
    ...labelled(
      'State',
      run.reason === null ? run.state : `${run.state} (${run.reason.code}): ${run.reason.text}`,
    ),
    ...labelled('Database', database),
    ...labelled('Job', `${job.name}: ${job.title}`),
    ...labelled('Job sha-256', job.hash),
    ...labelled('Tool', `keyturn ${run.toolVersion}`),
    ...labelled('Options', optionsText(options)),
    ...labelled('Started', `${moment(created)} UTC`),
    ...pauses.flatMap((pause) => labelled('Paused', pauseText(pause))),
    ...labelled(
      'Ended',
      finished === null ? 'not yet' : `${moment(finished)} UTC, after ${duration(created, finished)}`,
    ),
  ];
}

function optionsText({ onException, maxExceptions, chunkRows }: Report['options']): string {
  const limit = maxExceptions === Number.MAX_SAFE_INTEGER ? null : maxExceptions;
  const skip = limit === null ? 'skip exceptions' : `skip up to ${count(limit, 'exception')}`;
  const policy = onException === 'stop' ? 'stop at the first exception' : skip;
  return `${policy}; ${chunkRows === null ? 'chunk size depends on time' : `${count(chunkRows, 'row')} per chunk`}`;
}

function pauseText({ from, to, why }: Report['times']['pauses'][number]): string {
  if (from === null) return `until ${moment(to ?? '')} UTC: process died, time unknown`;
  if (to === null) return `since ${moment(from)} UTC (${why})`;
  return `${moment(from)} UTC until ${moment(to)}, ${duration(from, to)} (${why})`;
}

export function authoritySection({ authority: { operator, approver, ticket, reason } }: Report): Block[] {
  return [
    ...labelled('Operator', operator),
    ...labelled('Approver', approver ?? 'not stated'),
    ...labelled('Ticket', ticket ?? 'not stated'),
    ...labelled('Reason', reason ?? 'not stated'),
  ];
}

export function keysSection({ keys: { from, to, only, sources }, run }: Report): Block[] {
  const rows =
    run.kind === 'verification' || only !== null
      ? [[only === null ? 'key' : 'instance key', from.id, from.before, from.after]]
      : [
          ['old key', from.id, from.before, from.after],
          ['new key', to.id, to.before, to.after],
        ];
  return [
    ...table(['', 'key id', 'before', 'after'], rows, 'left'),
    ...(only === null
      ? []
      : paragraph(`All values were encrypted with ${onlyText(only)}; this report calls it the new key.`)),
    ...(sources.length === 0
      ? []
      : paragraph(
          `Keys found in the database (${sources.join(', ')}) are stored with the run, wrapped with the new key, until keyturn forget.`,
        )),
  ];
}

export function inventorySection(report: Report): Block[] {
  const { inventory } = report;
  const { declared, absent, undeclared, unread, unseen, unkeyed, exclusions } = inventory;
  const excluded = exclusions.filter(
    ({ table: name, column }) => !undeclared.some((found) => found.table === name && found.column === column),
  );
  return [
    ...table(['declared field', 'document', 'format', 'authenticated'], declaredRows(declared), 'left'),
    gap,
    ...phases(report),
    ...labelled('Not present', absent.length === 0 ? 'none' : absent.join(', ')),
    ...(undeclared.length === 0
      ? labelled('Undeclared', 'no ciphertext found outside the declared fields')
      : []),
    ...undeclared.flatMap(({ table: name, column, values, lookAlikes, excluded: reason }) =>
      labelled(
        'Undeclared',
        `${name}.${column}: ${count(values, 'value')}, ${count(lookAlikes, 'look-alike')}${reason === undefined ? '' : `; excluded: ${reason}`}`,
      ),
    ),
    ...(unread.length === 0
      ? []
      : labelled('Not read', `this database user cannot read: ${unread.join(', ')}`)),
    ...unseen.flatMap((sentence) => labelled('Not known', sentence)),
    ...(unkeyed.length === 0
      ? []
      : labelled(
          'Not verified',
          `searched for secrets, but not compared row by row, because they have no row id: ${unkeyed.join(', ')}`,
        )),
    ...(inventory.leftOut === null
      ? []
      : labelled('Not rotated', `${inventory.leftOut} (--no-attachments): these files keep the old key`)),
    ...inventory.uncovered.flatMap(({ what, rows }) =>
      labelled('Not covered', `${thousands(rows)} ${what}: what is encrypted in them keeps the old key`),
    ),
    ...excluded.flatMap(({ table: name, column, reason }) =>
      labelled('Excluded', `${name}.${column}: ${reason}`),
    ),
  ];
}

/** A column with several fields, for different rows, is listed once. */
function declaredRows(declared: Report['inventory']['declared']): string[][] {
  const rows = declared.map(({ target, column, document, format, authenticated }) => [
    `${target}.${column}`,
    document,
    format,
    authenticated ? 'yes' : 'no',
  ]);
  return [...new Map(rows.map((row) => [row.join('\n'), row])).values()];
}

function phases({ targets }: Report): Block[] {
  const names = [...new Set(targets.map(({ phase }) => phase))];
  return names.flatMap((name, i) => {
    const inIt = targets.filter(({ phase }) => phase === name).map(({ target }) => target);
    return labelled(i === 0 ? 'Phases' : '', `${name}: ${inIt.join(', ')}`);
  });
}

type Named = Figures & { readonly target: string };

function withTotal({ targets, totals }: Report): Named[] {
  return [...targets, { target: 'all targets', ...totals }];
}

export function rowsSection(report: Report): Block[] {
  const all = withTotal(report);
  const { valuesAddUp, unbalancedChunks, rowsAccountedFor } = report.totals.reconciliation;
  return [
    ...table(
      ['target', 'chunks', 'at start', 'read', 'no value', 'verified', 'reconciles'],
      all.map((figures) => [
        figures.target,
        thousands(figures.ranges.chunks),
        figures.rowsAtStart === null ? '?' : thousands(figures.rowsAtStart),
        report.run.kind === 'verification' ? '-' : thousands(figures.ranges.tally.rows),
        report.run.kind === 'verification' ? '-' : thousands(figures.ranges.tally.filtered),
        figures.verification.complete ? thousands(figures.verification.rows) : '-',
        reconcilesText(report, figures),
      ]),
    ),
    ...(valuesAddUp
      ? []
      : paragraph(
          `In ${count(unbalancedChunks, 'chunk')} the values do not add up: a value was counted twice or not at all.`,
        )),
    ...(rowsAccountedFor === false
      ? paragraph('The rows verified do not equal the rows read plus the rows added minus the rows deleted.')
      : []),
    ...(rowsAccountedFor === true ? all.slice(0, -1).flatMap(traffic) : []),
  ];
}

/** Rows were added or deleted during the run, and the numbers agree on how many. */
function traffic({ target, reconciliation, verification: { gone, new: fresh }, sweeps }: Named): Block[] {
  if (reconciliation.rowsEqualVerified !== false) return [];
  return paragraph(
    `${target}: rows were added or deleted during the run (${thousands(fresh)} new, ${thousands(sweeps.tally.rows)} swept, ${thousands(gone)} deleted); all are accounted for.`,
  );
}

function reconcilesText({ verdict }: Report, { reconciliation }: Figures): string {
  const { valuesAddUp, rowsAccountedFor } = reconciliation;
  if (!valuesAddUp || rowsAccountedFor === false) return 'NO';
  // A dry run reads only once, so there is nothing to compare with.
  return rowsAccountedFor === null && !verdict.result.startsWith('rehearsed') ? 'so far' : 'yes';
}

export function valuesSection(report: Report): Block[] {
  if (report.run.kind === 'verification') return [];
  return tallyTable(withTotal(report), 'ranges');
}

export function sweepsSection(report: Report): Block[] {
  if (report.totals.sweeps.chunks === 0) return [];
  return [
    ...paragraph(
      'Rows that were rotated again or added during the run. Do not add them to the tables above.',
    ),
    ...tallyTable(
      withTotal(report).filter(({ sweeps }) => sweeps.chunks > 0),
      'sweeps',
    ),
  ];
}

/** A column of zeros is left out, except for the three that always matter. */
function tallyTable(all: readonly Named[], kind: 'ranges' | 'sweeps'): Block[] {
  const columns = [
    ['values', 'values'],
    ['rotated', 'rotated'],
    ['nested', 'nested'],
    ['current', 'current'],
    ['empty', 'empty'],
    ['look-alikes', 'lookAlikes'],
    ['undecided', 'undecided'],
    ['exceptions', 'exceptions'],
  ] as const;
  const always = ['values', 'rotated', 'exceptions'];
  const shown = columns.filter(
    ([, name]) => always.includes(name) || all.some((part) => part[kind].tally[name] > 0),
  );
  return table(
    ['target', ...shown.map(([head]) => head)],
    all.map((part) => [part.target, ...shown.map(([, name]) => thousands(part[kind].tally[name]))]),
  );
}

export function verificationSection(report: Report): Block[] {
  const { proof, run } = report;
  const exempt = proof.exempt.map(
    ({ target, field, rows }) => `${target}.${field}${rows === '' ? '' : ` where ${rows}`}`,
  );
  return [
    ...(report.proof.scans === 0 ? [] : verificationTable(report)),
    ...bullets(proof.statement),
    ...(run.kind === 'verification' || !report.totals.verification.complete
      ? []
      : [gap, ...paragraph('What "the old key decrypts nothing" means for each format:')]),
    ...(report.totals.verification.complete
      ? bullets(proof.formats.map(({ format, meaning }) => `${format}: ${meaning}.`))
      : []),
    ...(exempt.length === 0 || !isWriting(run.kind)
      ? []
      : [
          gap,
          ...paragraph('Not compared by digest, because they hold the master key itself and must change:'),
          ...bullets(exempt),
        ]),
  ];
}

function verificationTable(report: Report): Block[] {
  return [
    ...table(
      ['target', 'rows', 'values', 'proven', 'new', 'changed', 'late', 'gone', 'except'],
      withTotal(report).map(({ target, verification: found }) => {
        const { rows, values, proven, changed, late, gone, exceptions } = found;
        return [target, ...[rows, values, proven, found.new, changed, late, gone, exceptions].map(thousands)];
      }),
    ),
    gap,
  ];
}

export function historySection({ history }: Report): Block[] {
  return history.flatMap(({ at, event, detail }) => {
    const facts = Object.entries(detail).map(([name, value]) => ` ${name}=${value}`);
    return paragraph(`${event}${facts.join('')}`, `${moment(at)}  `);
  });
}
