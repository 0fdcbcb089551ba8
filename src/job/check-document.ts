import { formatOf } from '../formats/registry.ts';
import type { Problem } from './problem.ts';
import type { CanaryFile, FieldFile, JobFile } from './schema.ts';

type Part = Pick<FieldFile | CanaryFile, 'document' | 'trim' | 'lines' | 'format'>;

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

function checkPart({ document, trim, lines, format }: Part, path: readonly PropertyKey[]): Problem[] {
  const { name, carries, signature } = formatOf(format);
  const spelled = trim === true ? 'trim' : lines !== undefined ? 'lines' : undefined;
  const problems: Problem[] = [];
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
