import { KeyturnError } from '../error.ts';
import { formatNames } from '../formats/registry.ts';
import { checkFormat } from './check-format.ts';
import { type FormatFile, format } from './format-schema.ts';
import { type Problem, pathText, problemsOf } from './problem.ts';

/** A format alone, as a field of a job has it, or with the word `format` before it. @throws KeyturnError `job-invalid` */
export function parseFormat(content: unknown, shown: string): FormatFile {
  const wrapped = typeof content === 'object' && content !== null && 'format' in content;
  const parsed = format.safeParse(wrapped ? content.format : content);
  if (!parsed.success) throw invalid(shown, problemsOf(parsed.error.issues));
  const problems = checkFormat({ format: parsed.data, path: [] }, formatNames);
  if (problems.length > 0) throw invalid(shown, problems);
  return parsed.data;
}

function invalid(shown: string, problems: readonly Problem[]): KeyturnError {
  const lines = problems.map(({ path, message }) =>
    [shown, pathText(path), message].filter((part) => part !== '').join(': '),
  );
  return new KeyturnError('job-invalid', lines.join('\n'), { hint: 'jobs/README.md explains every field' });
}
