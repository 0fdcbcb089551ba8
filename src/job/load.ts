import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Document, LineCounter, parseDocument } from 'yaml';
import { type ErrorCode, KeyturnError } from '../error.ts';
import { NotAFile, readPlainFile } from '../plain-file.ts';
import { checkJob } from './check.ts';
import { lineOf, type Problem, pathText, problemsOf } from './problem.ts';
import { type JobFile, jobSchema } from './schema.ts';

export interface LoadedJob {
  readonly file: JobFile;
  /** Hex SHA-256 of the file's bytes. */
  readonly hash: string;
  readonly path: string;
}

/** The built-in jobs: two folders up both from src/job and from dist/job. */
const folder = fileURLToPath(new URL('../../jobs/', import.meta.url));
const templateFolder = `${folder}templates/`;

/** Names of the built-in jobs, sorted. */
export function builtInJobs(): string[] {
  return jobsIn(folder);
}

/** Names of the jobs for frameworks and libraries, which a user copies and completes, sorted. */
export function templates(): string[] {
  return jobsIn(templateFolder);
}

function jobsIn(path: string): string[] {
  return readdirSync(path)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length))
    .sort();
}

export function templatePath(name: string): string {
  return `${templateFolder}${name}.yaml`;
}

/** The text of a built-in job or of a template. */
export function jobText(name: string): string {
  if (builtInJobs().includes(name)) return readFileSync(`${folder}${name}.yaml`, 'utf8');
  if (!templates().includes(name)) throw unknown(name);
  return readFileSync(templatePath(name), 'utf8');
}

/**
 * Reads and checks a job, given by a built-in name or the path of a YAML file. A built-in name takes precedence.
 *
 * @param formatNames the known ciphertext formats
 * @throws KeyturnError `job-unknown`; `job-invalid` with one line per problem: `file:line: field: problem`.
 */
export function loadJob(nameOrFile: string, formatNames: readonly string[]): LoadedJob {
  const { path, shown } = find(nameOrFile);
  const bytes = read(path, shown);
  return {
    file: parse(decode(bytes, shown), shown, formatNames),
    hash: createHash('sha256').update(bytes).digest('hex'),
    path,
  };
}

function find(nameOrFile: string): { path: string; shown: string } {
  const names = builtInJobs();
  if (names.includes(nameOrFile))
    return { path: `${folder}${nameOrFile}.yaml`, shown: `jobs/${nameOrFile}.yaml` };
  if (existsSync(nameOrFile)) return { path: nameOrFile, shown: nameOrFile };
  throw unknown(nameOrFile);
}

function unknown(name: string): KeyturnError {
  if (templates().includes(name))
    return new KeyturnError('job-unknown', `${name} is a template: it does not know your tables`, {
      hint: `run keyturn jobs show ${name} > job.yaml, replace the tables and columns with yours, and use --job job.yaml`,
    });
  return new KeyturnError('job-unknown', `"${name}" is neither a built-in job nor a file`, {
    hint: `built-in jobs: ${builtInJobs().join(', ')}; for your own system, use the path of a YAML file`,
  });
}

/** More than any job needs. */
const maxBytes = 4 * 1024 * 1024;

function read(path: string, shown: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readPlainFile(path, { maxBytes, pipes: false }).bytes;
  } catch (cause) {
    const why = cause instanceof NotAFile ? `: ${cause.message}` : '';
    throw failed('job-unknown', `cannot read the job file ${shown}${why}`, cause);
  }
  if (bytes.length > maxBytes) throw failed('job-invalid', `${shown} is too large for a job file`, undefined);
  return bytes;
}

function decode(bytes: Buffer, shown: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw failed('job-invalid', `${shown}: not UTF-8 text`, cause);
  }
}

function failed(code: ErrorCode, message: string, cause: unknown): KeyturnError {
  return new KeyturnError(code, message, {
    cause,
    hint: 'a job must be a YAML file in UTF-8 that this user can read',
  });
}

function parse(text: string, shown: string, formatNames: readonly string[]): JobFile {
  const lines = new LineCounter();
  // Warnings count as errors: an unresolved tag, for example, would silently change the meaning
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    throw invalid(
      shown,
      faults.map((fault) => `${lines.linePos(fault.pos[0]).line}: ${decapitalise(fault.message)}`),
    );
  }
  const placed = (problems: readonly Problem[]) =>
    invalid(
      shown,
      problems.map(({ path, message }) => {
        const line = lineOf(document, lines, path);
        return path.length === 0 ? `${line}: ${message}` : `${line}: ${pathText(path)}: ${message}`;
      }),
    );
  const parsed = jobSchema.safeParse(contentOf(document, shown));
  if (!parsed.success) throw placed(problemsOf(parsed.error.issues));
  const problems = checkJob(parsed.data, formatNames);
  if (problems.length > 0) throw placed(problems);
  return parsed.data;
}

/** The parser refuses a file whose aliases stand for far more than is written. */
function contentOf(document: Document.Parsed, shown: string): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    if (!(cause instanceof ReferenceError)) throw cause;
    throw invalid(shown, [' too many YAML aliases, or an alias without an anchor']);
  }
}

function invalid(shown: string, problems: readonly string[]): KeyturnError {
  return new KeyturnError('job-invalid', problems.map((problem) => `${shown}:${problem}`).join('\n'), {
    hint: 'jobs/README.md explains every field',
  });
}

function decapitalise(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
