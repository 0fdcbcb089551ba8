import type { Finding, Inventory } from '../../checkpoint/run.ts';
import { type Job, targetName } from '../../job/job.ts';
import { bytes, count, thousands } from '../../report/count.ts';
import { derivedLines } from '../../report/derived-secrets.ts';

/** The targets of each phase with their row counts, and what is not rotated. */
export function previewLines(job: Job, inventory: Inventory): string[] {
  const rows = new Map(inventory.targets.map(({ target, rows: n }) => [target, thousands(n)]));
  const sizes = new Map(inventory.targets.map(({ target, bytes: size }) => [target, size]));
  const names = Math.max(...[...rows.keys()].map((name) => name.length));
  const digits = Math.max(...[...rows.values()].map((n) => n.length));
  const phases = job.phases.flatMap((phase, number) => {
    const targets = job.targets.filter((target) => target.phase === number).map(targetName);
    const lines = targets.map((table) => {
      const size = sizes.get(table);
      const what = size === undefined ? 'rows' : `files, ${bytes(size)}`;
      return `  ${table.padEnd(names)}  ${(rows.get(table) ?? '?').padStart(digits)} ${what}`;
    });
    return lines.length === 0 ? [] : [`phase ${phase}:`, ...lines];
  });
  return [
    ...phases,
    ...(job.leftOut === undefined
      ? []
      : [`not rotated: ${job.leftOut} (--no-attachments): these files keep the old key`]),
    ...(inventory.absent.length === 0 ? [] : [`not in this database: ${inventory.absent.join(', ')}`]),
    ...inventory.undeclared.map(findingLine),
    ...derivedPreview(job, inventory),
  ];
}

/** Nothing if rows of the database have them all: the new key changes none of them. */
function derivedPreview({ title }: Job, { derived }: Inventory): string[] {
  if (derived === undefined || derived.secrets.every(({ source }) => source === 'row')) return [];
  return [
    `secrets that ${title} derives from its key:`,
    ...derivedLines(title, derived).map(([setting, text]) => `  ${setting}: ${text}`),
  ];
}

function findingLine({ table, column, values, lookAlikes, excluded }: Finding): string {
  const found = [
    ...(values > 0 ? [`${count(values, 'value')} with this key`] : []),
    ...(lookAlikes > 0 ? [`${count(lookAlikes, 'look-alike')}`] : []),
  ].join(', ');
  const consequence = excluded === undefined ? 'not declared by the job' : `excluded: ${excluded}`;
  return `${table}.${column}: ${found}, ${consequence}`;
}
