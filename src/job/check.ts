import { derivation } from '../keys/derived.ts';
import { checkDocuments } from './check-document.ts';
import { checkFormats } from './check-format.ts';
import type { Problem } from './problem.ts';
import type { FieldFile, JobFile, TargetFile } from './schema.ts';

/** Checks what a schema cannot. Returns all problems, in the order of the file's parts. */
export function checkJob(job: JobFile, formatNames: readonly string[]): Problem[] {
  const formats = checkFormats(job, formatNames);
  return [
    ...checkKey(job),
    ...formats,
    ...(formats.length > 0 ? [] : checkDocuments(job)),
    ...checkSourceKeys(job),
    ...checkPhases(job),
    ...checkExclusions(job),
    ...checkDerived(job),
    ...checkSteps(job),
  ];
}

interface Placed {
  readonly target: TargetFile;
  readonly phase: number;
  readonly path: readonly PropertyKey[];
}

function placedTargets(job: JobFile): Placed[] {
  return job.phases.flatMap((phase, p) =>
    phase.targets.map((target, t) => ({ target, phase: p, path: ['phases', p, 'targets', t] })),
  );
}

function checkKey(job: JobFile): Problem[] {
  const { form, bytes, generate, list } = job.key;
  if (form === 'text') {
    return bytes === undefined
      ? []
      : [{ path: ['key', 'bytes'], message: 'only for a base64, base64url or hex key' }];
  }
  const problems: Problem[] = [];
  if (list !== undefined)
    problems.push({
      path: ['key', 'list'],
      message: 'only for a key that is text: other keys are always read so',
    });
  if (generate.prefix !== undefined)
    problems.push({ path: ['key', 'generate', 'prefix'], message: 'only for a key that is text' });
  if (generate.as !== form) {
    problems.push({ path: ['key', 'generate', 'as'], message: `must be ${form}, like key.form` });
  }
  if (bytes !== undefined && !bytes.includes(generate.bytes)) {
    problems.push({
      path: ['key', 'generate', 'bytes'],
      message: `must be one of key.bytes: ${bytes.join(', ')}`,
    });
  }
  return problems;
}

function checkSourceKeys(job: JobFile): Problem[] {
  const last = job.phases.length - 1;
  const early = new Set(
    placedTargets(job).flatMap(({ target, phase }) => (phase < last ? [target.table] : [])),
  );
  return job.sourceKeys.flatMap((source, i) => {
    const problems: Problem[] = [];
    if (early.has(source.table)) {
      problems.push({
        path: ['sourceKeys', i, 'table'],
        message: `${source.table} contains keys, so its target must be in the last phase`,
      });
    }
    if (job.sourceKeys.findIndex(({ name }) => name === source.name) < i) {
      problems.push({ path: ['sourceKeys', i, 'name'], message: `key ${source.name} is declared twice` });
    }
    return problems;
  });
}

function checkPhases(job: JobFile): Problem[] {
  const last = job.phases.length - 1;
  const tables = new Set<string>();
  const names = job.phases.map(({ name }) => name);
  const repeated = names.flatMap((name, p) =>
    names.indexOf(name) < p
      ? [{ path: ['phases', p, 'name'], message: `phase ${name} is declared twice` }]
      : [],
  );
  const none =
    job.phases.length === 0 && job.everywhere === undefined
      ? [{ path: ['phases'], message: 'missing: a job needs phases, or everywhere' }]
      : [];
  return [
    ...none,
    ...repeated,
    ...placedTargets(job).flatMap(({ target, phase, path }) => {
      const problems = target.fields.flatMap((field, f) =>
        checkField(target, field, f, phase === last, path),
      );
      if (tables.has(target.table)) {
        problems.unshift({
          path: [...path, 'table'],
          message: `table ${target.table} is declared twice; each row is written once`,
        });
      }
      tables.add(target.table);
      return problems;
    }),
  ];
}

function checkField(
  target: TargetFile,
  field: FieldFile,
  f: number,
  isLast: boolean,
  base: readonly PropertyKey[],
): Problem[] {
  const path = [...base, 'fields', f];
  const problems: Problem[] = [];
  if (/\*(?!$)/.test(field.column) || field.column === '*') {
    problems.push({ path: [...path, 'column'], message: '* is allowed only at the end of a column name' });
  }
  if (field.when !== undefined && Object.keys(field.when).length === 0) {
    problems.push({ path: [...path, 'when'], message: 'names no column; omit it to select every row' });
  }
  if (field.becomes === 'primary' && !isLast) {
    problems.push({
      path: [...path, 'becomes'],
      message: 'a field that contains the master key must be in the last phase',
    });
  }
  problems.push(...checkLabel(target, field, path), ...checkBeside(target, field, path));
  if (field.foreign === 'replace' && field.becomes !== 'primary') {
    problems.push({ path: [...path, 'foreign'], message: 'replace requires becomes: primary' });
  }
  // The first field whose `when` matches applies, so a field after one without `when` would never apply
  const shadow = target.fields
    .slice(0, f)
    .find((earlier) => earlier.column === field.column && earlier.when === undefined);
  if (shadow !== undefined) {
    problems.push({
      path: [...path, 'column'],
      message: `an earlier field already applies to every row of ${field.column}`,
    });
  }
  return problems;
}

/** The label of a row changes with the run, so nothing else may depend on it. */
function checkLabel({ fields }: TargetFile, { set }: FieldFile, path: readonly PropertyKey[]): Problem[] {
  if (set === undefined) return [];
  const message = fields.some(({ column }) => column === set.column)
    ? `${set.column} is also declared as a field`
    : fields.some(({ when }) => when !== undefined && set.column in when)
      ? `${set.column} is also in a \`when\`, which would not match any more after the run`
      : fields.some((other) => other.set?.column === set.column && !isSame(other.set, set))
        ? `another field sets ${set.column} differently`
        : null;
  return message === null ? [] : [{ path: [...path, 'set'], message }];
}

/** Each column is written once, and a `when` means the same before and after the run. */
function checkBeside({ fields }: TargetFile, field: FieldFile, path: readonly PropertyKey[]): Problem[] {
  return (field.with ?? []).flatMap((name) => {
    const isTaken = fields.some(
      (other) =>
        other.column === name ||
        other.set?.column === name ||
        (other.column !== field.column && other.with?.includes(name) === true) ||
        (other.when !== undefined && name in other.when),
    );
    return isTaken
      ? [{ path: [...path, 'with'], message: `${name} is used by another field, a set or a when` }]
      : [];
  });
}

function isSame(a: NonNullable<FieldFile['set']>, b: NonNullable<FieldFile['set']>): boolean {
  return a.was === b.was && a.to === b.to;
}

function checkExclusions(job: JobFile): Problem[] {
  const targets = job.phases.flatMap((phase) => phase.targets);
  return job.exclude.flatMap(({ table, column }, i) => {
    const declared = targets.some(
      (target) => target.table === table && target.fields.some((field) => field.column === column),
    );
    return declared
      ? [{ path: ['exclude', i], message: `${table}.${column} is also declared as a field` }]
      : [];
  });
}

function checkDerived(job: JobFile): Problem[] {
  return job.derived.flatMap(({ secret }, i) => {
    try {
      derivation(secret);
      return [];
    } catch (error) {
      return [{ path: ['derived', i, 'secret'], message: (error as Error).message }];
    }
  });
}

const placeholders = {
  afterwards: ['newKeyFile', 'newKeyId'],
  afterRollback: ['oldKeyFile', 'oldKeyId'],
} as const;

function checkSteps(job: JobFile): Problem[] {
  return (['afterwards', 'afterRollback'] as const).flatMap((list) =>
    job[list].flatMap((step, i) =>
      [...step.matchAll(/\{(\w+)\}/g)]
        .filter(([, name]) => !placeholders[list].some((known) => known === name))
        .map(([text]) => ({ path: [list, i], message: `unknown placeholder: ${text}` })),
    ),
  );
}
