import { KeyturnError, safeMessage } from '../../error.ts';
import { RunFailure } from './run-failure.ts';

/** What to print and log about an error. Contains no secrets. */
export interface Failure {
  readonly exitCode: 1 | 2 | 3 | 4 | 5;
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint: string | undefined;
    readonly facts: Readonly<Record<string, string | number>>;
  };
  /** For --json, next to the error. */
  readonly document: object;
  /** Stack traces, for the log only. */
  readonly trace: readonly string[];
}

export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof RunFailure) return { ...failureOf(thrown.cause), document: thrown.document };
  const trace = traceOf(thrown);
  if (thrown instanceof KeyturnError) {
    const { code, message, hint, facts, exitCode } = thrown;
    return { exitCode, error: { code, message, hint, facts }, document: {}, trace };
  }
  return {
    exitCode: 1,
    error: {
      code: 'unexpected',
      message: `unexpected: ${nameOf(thrown)}: ${safeMessage(thrown)}`,
      hint: 'run the command again with --log-level debug, and report the error to the project',
      facts: {},
    },
    document: {},
    trace,
  };
}

/** Stack traces of the error and its causes, without secrets. */
function traceOf(thrown: unknown): string[] {
  const lines: string[] = [];
  for (let at: unknown = thrown; at instanceof Error; at = at.cause) {
    lines.push(`${nameOf(at)}: ${safeMessage(at)}`);
    lines.push(
      ...(at.stack ?? '')
        .split('\n')
        .filter((line) => /^\s+at /.test(line))
        .map((line) => line.trim()),
    );
  }
  return lines;
}

function nameOf(thrown: unknown): string {
  const { code, name } = thrown as { code?: unknown; name?: unknown };
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'error';
}
