import { z } from 'zod';
import { fieldFormat } from '../job/format-schema.ts';
import type { Job } from '../job/job.ts';
import { derivedSources } from './derived-secrets.ts';
import type { Authority, Inventory, RunOptions } from './run.ts';

/**
 * What the JSON texts of a run's row contain, as far as `status` and `report` read it without a key: a MAC authenticates
 * all of it for those who have one (mac.ts).
 */

const strings = z.array(z.string());
const columnOf = z.looseObject({ table: z.string(), column: z.string() });

const target = z.looseObject({
  shape: z.looseObject({ table: z.string(), id: strings, columns: strings }),
  phase: z.number(),
  fields: z.array(
    z.looseObject({
      column: z.string(),
      index: z.number(),
      format: fieldFormat,
      document: z.union([z.string(), z.looseObject({ json: z.union([z.enum(['any', 'nested']), strings]) })]),
      when: z.array(z.looseObject({ index: z.number(), values: strings })),
    }),
  ),
});

export const storedJob = z.looseObject({
  name: z.string(),
  title: z.string(),
  hash: z.string(),
  key: z.looseObject({ form: z.string() }),
  phases: strings,
  targets: z.array(target),
  absent: strings,
  sourceKeys: z.array(columnOf),
  canary: z.array(columnOf),
  exclude: z.array(columnOf),
  derived: z.array(z.looseObject({})),
  afterwards: strings,
}) as unknown as z.ZodType<Job>;

export const storedOptions = z.looseObject({
  onException: z.enum(['stop', 'skip']),
  maxExceptions: z.number(),
  chunkRows: z.number().nullable(),
  chunkTimeoutMs: z.number().nullable(),
}) as z.ZodType<RunOptions>;

export const storedAuthority = z.looseObject({ operator: z.string() }) as z.ZodType<Authority>;

export const storedInventory = z.looseObject({
  targets: z.array(z.looseObject({ target: z.string(), rows: z.number() })),
  absent: strings,
  undeclared: z.array(columnOf),
  unread: strings,
  uncovered: z.array(z.looseObject({ what: z.string(), rows: z.number() })).optional(),
  derived: z
    .looseObject({
      file: z.string().nullable(),
      earlierFile: z.string().nullable(),
      environmentGiven: z.boolean(),
      secrets: z.array(z.looseObject({ setting: z.string(), source: z.enum(derivedSources) })),
    })
    .optional(),
}) as unknown as z.ZodType<Inventory>;

/** Wrapped keys by their names. */
export const storedPinned = z.record(z.string(), z.string());

export const storedReason = z.object({ code: z.string(), text: z.string() });

/** Stands for a stored job that cannot be read. */
export const unknownJob: Job = {
  name: 'unknown',
  title: 'unknown',
  hash: '',
  key: { form: 'text', trim: 'space', generate: { bytes: 32, as: 'base64' } },
  phases: [],
  targets: [],
  absent: [],
  sourceKeys: [],
  canary: [],
  exclude: [],
  derived: [],
  afterwards: [],
};
