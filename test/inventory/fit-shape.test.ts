import { expect, test } from '@jest/globals';
import type { PlaceCounts } from '../../src/checkpoint/run.ts';
import type { Table } from '../../src/databases/database.ts';
import { KeyturnError } from '../../src/error.ts';
import { formatNames } from '../../src/formats/registry.ts';
import { fitShape } from '../../src/inventory/fit-shape.ts';
import type { ScanResult } from '../../src/inventory/scan.ts';
import type { Decision, Job } from '../../src/job/job.ts';
import { loadJob } from '../../src/job/load.ts';
import { readPlace } from '../../src/job/place.ts';
import { resolveJob } from '../../src/job/resolve.ts';

const name = 'Own.Data';
const columns = ['Id', name].map((column) => ({
  ...{ name: column, type: 'blob', holds: 'binary' as const },
  ...{ maxLength: null, nullable: true, generated: false },
}));
const table = (named: string): Table => ({
  ...{ name: named, columns, rowId: ['Id'], indexed: [], unique: [], triggers: [] },
});
const catalog = [table('Blob'), table('VariableSet'), table('Configuration')];
const job = resolveJob(loadJob('octopus', formatNames), catalog);

type Everywhere = NonNullable<Job['everywhere']>;

/** A binary column that is neither one thing nor the other. */
function scanOf(gzips: number, opened: number, secrets: boolean, known = false): ScanResult {
  const place: PlaceCounts = {
    ...{ table: 'Blob', column: name, path: '.Secret', document: 'gzip', format: 'octopus' },
    ...{ values: secrets ? { key: 1 } : {}, undecided: 0, lookAlikes: 1, exceptions: 0 },
  };
  return {
    places: gzips > 0 ? [place] : [],
    strays: [],
    binary: [{ table: 'Blob', column: name, filled: 10, gzips, opened, known }],
    unread: [],
    unkeyed: [],
  };
}

function refusal(fitted: Job, scan: ScanResult): KeyturnError {
  try {
    fitShape(fitted, catalog, scan);
  } catch (error) {
    if (error instanceof KeyturnError) return error;
  }
  throw new Error('it was not refused');
}

test.each([
  ['some values open', 0, 3, false],
  ['all values open, too few', 0, 10, false],
  ['some are gzips', 4, 0, false],
  ['some are gzips with secrets', 4, 0, true],
  ['some are gzips and others open', 4, 2, false],
  ['some are gzips with secrets and others open', 4, 2, true],
])(
  'a binary column where %s is refused, and whatever the hint suggests works',
  (_, gzips, opened, secrets) => {
    const scan = scanOf(gzips, opened, secrets);
    const { code, hint = '' } = refusal(job, scan);
    expect(code).toBe('undecided-place');
    const ways = [...hint.matchAll(/'([^']+)=(rotate|leave|reason)'/g)];
    expect(ways.length).toBeGreaterThan(0);
    for (const [, place = '', as] of ways) {
      const { table: of = '', column = '' } = readPlace(place) ?? {};
      expect([of, column]).toEqual(['Blob', name]);
      const decisions: Decision[] = as === 'rotate' || as === 'leave' ? [{ place, as }] : [];
      const exclude = as === 'reason' ? [{ table: of, column, reason: 'a test' }] : [];
      // What is excluded is not scanned
      const seen = exclude.length > 0 ? scanOf(0, 0, false) : scanOf(gzips, opened, secrets, as === 'rotate');
      const settled = { ...job, exclude, everywhere: { ...(job.everywhere as Everywhere), decisions } };
      expect(() => fitShape(settled, catalog, seen)).not.toThrow();
    }
  },
);
