import { describe, expect, test } from '@jest/globals';
import type { Table } from '../../src/databases/database.ts';
import { KeyturnError } from '../../src/error.ts';
import { resolveJob } from '../../src/job/resolve.ts';
import { jobSchema } from '../../src/job/schema.ts';
import { table } from './catalog.ts';

const shop = {
  job: 'shop',
  title: 'Shop',
  key: { generate: { bytes: 24, as: 'base64' } },
  requires: ['orders'],
  prefixable: true,
  sourceKeys: [{ name: 'data:{id}', table: 'vault', where: { kind: 'data' }, column: 'value', format: 'f' }],
  canary: [
    { table: 'vault', column: 'value', format: 'f' },
    { table: 'customers', column: 'fax', format: 'f' },
    { table: 'customers', column: 'iban', format: 'f' },
  ],
  phases: [
    {
      name: 'values',
      targets: [
        {
          table: 'customers',
          fields: [
            { column: 'iban', format: 'f', when: { country: ['de', 'at'] } },
            { column: 'iban', format: 'f' },
            { column: 'fax', format: 'f', optional: true },
            { column: 'encrypted*', format: 'f', optional: true },
          ],
        },
        { table: 'notes', optional: true, fields: [{ column: 'text', format: 'f', optional: true }] },
      ],
    },
    {
      name: 'keys',
      targets: [
        { table: 'vault', optional: true, fields: [{ column: 'value', format: 'f', becomes: 'primary' }] },
      ],
    },
  ],
  exclude: [{ table: 'logs', column: 'line', reason: 'old' }],
  derived: [{ secret: 'n8n-jwt', setting: 'JWT', unless: { table: 'vault', where: { kind: 'jwt' } } }],
};
type Draft = typeof shop;

function resolve(catalog: readonly Table[], tablePrefix?: string, change: (draft: Draft) => void = () => {}) {
  const draft = structuredClone(shop);
  change(draft);
  const loaded = { file: jobSchema.parse(draft), hash: 'ab', path: 'shop.yaml' };
  return resolveJob(loaded, catalog, tablePrefix === undefined ? {} : { tablePrefix });
}

function refusal(work: () => unknown): KeyturnError {
  try {
    work();
  } catch (error) {
    if (error instanceof KeyturnError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const customers = table('customers', ['iban', 'country', 'name']);
const orders = table('orders', []);
const vault = table('vault', ['kind', 'value']);
const full = [customers, orders, vault];

describe('a target', () => {
  test('has each column of its fields once, then those of their conditions, at the positions that the fields give', () => {
    const [target] = resolve(full).targets;
    expect(target?.shape).toEqual({
      table: 'customers',
      id: ['id'],
      columns: ['iban', 'country'],
      written: 1,
    });
    expect(target?.fields.map(({ column, index, when }) => ({ column, index, when }))).toEqual([
      { column: 'iban', index: 0, when: [{ index: 1, values: ['de', 'at'] }] },
      { column: 'iban', index: 0, when: [] },
    ]);
  });

  test('knows its phase', () => {
    const job = resolve(full);
    expect(job.targets.map(({ shape, phase }) => [shape.table, job.phases[phase]])).toEqual([
      ['customers', 'values'],
      ['vault', 'keys'],
    ]);
  });

  test('has every text column that matches a wildcard', () => {
    const wide = table('customers', [
      'iban',
      'country',
      'encryptedA',
      'encryptedB',
      'encryptedAt:int',
      'unencrypted',
    ]);
    const [target] = resolve([wide, orders]).targets;
    expect(target?.shape.columns).toEqual(['iban', 'encryptedA', 'encryptedB', 'country']);
    expect(target?.shape.written).toBe(3);
  });

  test('excludes columns with their own field from a wildcard', () => {
    const wide = table('customers', ['iban', 'country', 'encryptedA']);
    const [target] = resolve([wide, orders], undefined, (draft) => {
      draft.phases[0]?.targets[0]?.fields.push({ column: 'encryptedA', format: 'g' } as never);
    }).targets;
    expect(
      target?.fields.filter(({ column }) => column === 'encryptedA').map(({ format }) => format),
    ).toEqual(['g']);
  });

  test('is absent if the table is, or if none of its optional columns exists', () => {
    expect(resolve([customers, orders]).absent).toEqual(['notes', 'vault']);
    expect(resolve([...full, table('notes', ['title'])]).absent).toEqual(['notes']);
    expect(resolve([...full, table('notes', ['text'])]).absent).toEqual([]);
  });

  test('without a column that every version has is refused', () => {
    const error = refusal(() => resolve([table('customers', ['country']), orders]));
    expect(error.code).toBe('wrong-application');
    expect(error.message).toContain('table customers has no column iban');
  });

  test('with a missing column in a condition is refused and not skipped', () => {
    expect(refusal(() => resolve([table('customers', ['iban']), orders])).message).toContain(
      'no column country',
    );
  });
});

describe('the row id', () => {
  const keyed = (id: string[]) => (draft: Draft) => {
    Object.assign(draft.phases[0]?.targets[0] ?? {}, { id });
  };

  test('is the key in the order of the catalog, whatever the order in the job', () => {
    const twofold = table('customers', ['iban', 'country'], ['shop', 'number']);
    expect(resolve([twofold, orders], undefined, keyed(['number', 'shop'])).targets[0]?.shape.id).toEqual([
      'shop',
      'number',
    ]);
  });

  test.each([[['number']], [['shop', 'number', 'iban']], [['shop', 'iban']]])(
    '%j is not the key shop, number',
    (id) => {
      const twofold = table('customers', ['iban', 'country'], ['shop', 'number']);
      const error = refusal(() => resolve([twofold, orders], undefined, keyed(id)));
      expect(error.code).toBe('no-row-id');
      expect(error.hint).toContain('shop, number');
    },
  );

  test('is missing in a table without a key', () => {
    const error = refusal(() => resolve([table('customers', ['iban', 'country'], []), orders]));
    expect(error.code).toBe('no-row-id');
    expect(error.message).toContain('customers');
  });

  test('cannot be a field, since a row id must not change', () => {
    expect(refusal(() => resolve([table('customers', ['country'], ['iban']), orders])).code).toBe(
      'no-row-id',
    );
  });
});

describe('absent tables', () => {
  test('also remove their source keys, canaries and exclusions', () => {
    const job = resolve([customers, orders]);
    expect(job.sourceKeys).toEqual([]);
    expect(job.canary.map(({ table, column }) => `${table}.${column}`)).toEqual(['customers.iban']);
    expect(job.exclude).toEqual([]);
  });

  test('always keep a derived secret; with the table, its condition is kept', () => {
    expect(resolve([customers, orders]).derived).toEqual([{ secret: 'n8n-jwt', setting: 'JWT' }]);
    expect(resolve(full).derived[0]?.unless).toEqual({ table: 'vault', where: { kind: 'jwt' } });
  });

  test('cannot be replaced by a table without the column of a source key', () => {
    expect(refusal(() => resolve([customers, orders, table('vault', ['value'])])).message).toContain(
      'table vault has no column kind',
    );
  });
});

describe('an excluded column', () => {
  const exclude = (table: string, column: string) => (draft: Draft) => {
    draft.exclude.push({ table, column, reason: 'a test' });
  };

  test('is not rotated, whether a field names it or only the beginning of its name', () => {
    const all = [table('customers', ['iban', 'country', 'fax', 'encryptedA', 'encryptedB']), orders, vault];
    const named = resolve(all, undefined, exclude('customers', 'fax'));
    expect(named.targets[0]?.fields.map(({ column }) => column)).not.toContain('fax');
    const begun = resolve(all, undefined, exclude('customers', 'encryptedA'));
    expect(begun.targets[0]?.fields.map(({ column }) => column)).toContain('encryptedB');
    expect(begun.targets[0]?.shape.columns).not.toContain('encryptedA');
  });

  test('that was the only one leaves its table out, which is not absent', () => {
    const job = resolve([...full, table('notes', ['text'])], undefined, exclude('notes', 'text'));
    expect(job.targets.map(({ shape }) => shape.table)).toEqual(['customers', 'vault']);
    expect(job.absent).toEqual([]);
  });

  test('must contain no key', () => {
    const error = refusal(() => resolve(full, undefined, exclude('vault', 'value')));
    expect(error.code).toBe('bad-option');
    expect(error.message).toBe('vault.value cannot be excluded: it contains keys');
  });

  test('must leave a value that shows whether a key is the right one', () => {
    const without = [customers, orders];
    const error = refusal(() => resolve(without, undefined, exclude('customers', 'iban')));
    expect(error.message).toContain('customers.iban cannot be excluded');
  });
});

describe('a prefix', () => {
  const prefixed = full.map((each) => ({ ...each, name: `x_${each.name}` }));

  test('is added to every table name', () => {
    const job = resolve([...prefixed, table('x_logs', ['line'])], 'x_');
    expect(job.targets.map(({ shape }) => shape.table)).toEqual(['x_customers', 'x_vault']);
    expect(job.absent).toEqual(['x_notes']);
    expect(job.sourceKeys[0]?.table).toBe('x_vault');
    expect(job.canary[0]?.table).toBe('x_vault');
    expect(job.exclude[0]?.table).toBe('x_logs');
    expect(job.derived[0]?.unless?.table).toBe('x_vault');
  });

  test('that is missing is given in the hint', () => {
    const error = refusal(() => resolve(prefixed));
    expect(error.code).toBe('wrong-application');
    expect(error.message).toContain('orders');
    expect(error.hint).toContain('--table-prefix x_');
  });

  test('that is not used is reported', () => {
    expect(refusal(() => resolve(full, 'x_')).hint).toContain('omit --table-prefix');
  });

  test('with which only one of the tables exists is not proposed', () => {
    expect(refusal(() => resolve([table('y_orders', [])])).hint).not.toContain('--table-prefix');
  });

  test('is refused if the job allows none', () => {
    const error = refusal(() =>
      resolve(prefixed, 'x_', (draft) => Object.assign(draft, { prefixable: false })),
    );
    expect(error.code).toBe('bad-option');
  });
});

test('another application is refused with the tables that are missing', () => {
  const error = refusal(() => resolve([customers]));
  expect(error.code).toBe('wrong-application');
  expect(error.message).toBe('this is not a database of Shop: table orders not found');
  expect(error.hint).toContain('?schema=');
});

test('a resolved job is plain data that JSON does not change', () => {
  const job = resolve(full);
  expect(JSON.parse(JSON.stringify(job))).toEqual(job);
});
