import { formatOf } from '../formats/registry.ts';
import type { Problem } from './problem.ts';
import type { CanaryFile, FieldFile, JobFile } from './schema.ts';

type Part = Pick<FieldFile | CanaryFile, 'column' | 'with' | 'document' | 'trim' | 'lines' | 'format'>;

/** Checks what a schema cannot: which document, `trim` and `lines` can be used with which format. */
export function checkDocuments(job: JobFile): Problem[] {
  return [
    ...job.canary.flatMap((canary, i) => checkPart(canary, ['canary', i])),
    ...job.phases.flatMap(({ targets }, p) =>
      targets.flatMap(({ fields }, t) =>
        fields.flatMap((field, f) => checkPart(field, ['phases', p, 'targets', t, 'fields', f])),
      ),
    ),
  ];
}

function checkPart(part: Part, path: readonly PropertyKey[]): Problem[] {
  const { document, trim, lines, format } = part;
  const { name, carries, signature } = formatOf(format);
  const spelled = trim === true ? 'trim' : lines !== undefined ? 'lines' : undefined;
  const problems: Problem[] = checkColumns(part, path);
  if (spelled !== undefined && carries === 'bytes')
    problems.push({
      path: [...path, spelled],
      message: `only for ciphertext in text; ${name} is binary here`,
    });
  if (document !== 'within') return problems;
  if (signature === undefined) {
    problems.push({
      path: [...path, 'document'],
      message: `within finds values by their beginning, and ${name} has no fixed beginning; use it with fernet, or with aes-gcm that has a prefix and is encoded as base64, base64url or hex`,
    });
  }
  if (spelled !== undefined) {
    problems.push({
      path: [...path, spelled],
      message: 'cannot be used with within, which finds each value anywhere in the text, in one line',
    });
  }
  return problems;
}

/** Parts in several columns: as many as the format has, and each is one of them as a whole. */
function checkColumns(part: Part, path: readonly PropertyKey[]): Problem[] {
  const { column, with: others = [], document, trim, lines, format } = part;
  const needed =
    typeof format === 'object' && 'described' in format ? (format.described.columns?.length ?? 1) : 1;
  const problem = (message: string): Problem[] => [{ path: [...path, 'with'], message }];
  if (others.length + 1 !== needed)
    return problem(
      needed === 1
        ? 'only for a described format with columns'
        : `must name ${needed - 1}: the format has parts in ${needed} columns, the first of which is ${column}`,
    );
  if (others.length === 0) return [];
  if (new Set([column, ...others]).size !== needed || [column, ...others].some((name) => name.endsWith('*')))
    return problem('must name other columns than the field, without *');
  return document === 'text' && trim !== true && lines === undefined
    ? []
    : problem('cannot be used with document, trim or lines: each column has an encoding of its own');
}
