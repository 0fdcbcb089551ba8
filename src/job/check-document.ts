import { formatOf } from '../formats/registry.ts';
import type { Problem } from './problem.ts';
import type { CanaryFile, FieldFile, JobFile } from './schema.ts';

type Part = Pick<FieldFile | CanaryFile, 'document' | 'trim' | 'lines' | 'format'>;

/** What no schema can say about how ciphertext stands in a column: what goes with which format. */
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
      message: `goes with ciphertext in text; ${name} is bytes here`,
    });
  if (document !== 'within') return problems;
  if (signature === undefined) {
    problems.push({
      path: [...path, 'document'],
      message: `within finds values by what they begin with, and those of ${name} begin with nothing of their own; fernet does, and aes-gcm with a prefix in base64, base64url or hex`,
    });
  }
  if (spelled !== undefined) {
    problems.push({
      path: [...path, spelled],
      message: 'does not go with within, which finds values wherever they stand, each in one line',
    });
  }
  return problems;
}
