import type { Finding, Inventory } from '../../checkpoint/run.ts';
import { type Job, targetName } from '../../job/job.ts';
import { bytes, count, thousands } from '../../report/count.ts';

/** Targets in their phases with the rows they have, and what is left alone. */
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
      : [`left out: ${job.leftOut}, with --no-attachments: these files keep the old key`]),
    ...(inventory.absent.length === 0 ? [] : [`not in this database: ${inventory.absent.join(', ')}`]),
    ...inventory.undeclared.map(findingLine),
  ];
}

function findingLine({ table, column, values, lookAlikes, excluded }: Finding): string {
  const found = [
    ...(values > 0 ? [`${count(values, 'value')} under this key`] : []),
    ...(lookAlikes > 0 ? [`${count(lookAlikes, 'look-alike')}`] : []),
  ].join(', ');
  const verdict = excluded === undefined ? 'which no field of the job declares' : `left alone: ${excluded}`;
  return `${table}.${column}: ${found}, ${verdict}`;
}
