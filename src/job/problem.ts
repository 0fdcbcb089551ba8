import { type Document, isCollection, isMap, isScalar, type LineCounter, type Node } from 'yaml';
import type { z } from 'zod';

/** A problem of a job file, and its position in the file's structure. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** `phases[0].targets[2].fields[0].format`; empty for the whole file. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    const name = String(step);
    if (!/^[\w$-]+$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === '' ? name : `${text}.${name}`;
  }, '');
}

/**
 * The line (from 1) of the deepest part of the path that exists in the file; for an entry of a map, that of its name.
 * A missing field is thus reported at the beginning of its parent.
 */
export function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const step of path) {
    if (!isCollection(node)) break;
    if (isMap(node)) {
      const pair = node.items.find((item) => (isScalar(item.key) ? item.key.value : item.key) === step);
      if (pair === undefined) break;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else {
      node = node.items[Number(step)];
      offset = startOf(node) ?? offset;
    }
  }
  return lines.linePos(offset).line;
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

/** Converts zod's issues: one problem per unknown field; for a union, those of the branch that the author meant. */
export function problemsOf(
  issues: readonly z.core.$ZodIssue[],
  base: readonly PropertyKey[] = [],
): Problem[] {
  return issues.flatMap((issue) => {
    const path = [...base, ...issue.path];
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: [...path, key], message: 'unknown field' }));
    }
    if (
      issue.code === 'invalid_type' &&
      issue.input === undefined &&
      issue.message.endsWith('received undefined')
    ) {
      return [{ path, message: `missing, expected ${issue.expected}` }];
    }
    if (issue.code !== 'invalid_union') return [{ path, message: plain(issue.message) }];
    // A branch that fails at its root was not meant; if all do, the message lists all alternatives
    const candidates = issue.errors.filter((branch) => !branch.some(isOtherShape));
    const named = candidates.map(otherNames);
    const [unknown] = named;
    if (unknown != null && named.every((names) => names !== null)) {
      const known = named.map((names) => names?.missing).join(', ');
      return [{ path: [...path, unknown.found], message: `unknown, expected ${known} or a name` }];
    }
    const meant = candidates.find((branch) => otherNames(branch) === null);
    if (meant !== undefined) return problemsOf(meant, path);
    const wanted = issue.errors.flatMap((branch) =>
      problemsOf(branch, path).map((problem) => problem.message),
    );
    return [{ path, message: [...new Set(wanted)].join(', or ') }];
  });
}

/** Of a branch for an object with one member of another name: that name, and the one that was given. */
function otherNames(branch: readonly z.core.$ZodIssue[]): { missing: string; found: string } | null {
  const [first, second] = [...branch].sort((a, b) => b.path.length - a.path.length);
  const isPair = branch.length === 2 && first?.path.length === 1 && first.code === 'invalid_type';
  if (!isPair || second?.code !== 'unrecognized_keys' || second.path.length > 0) return null;
  return first.input === undefined && second.keys.length === 1
    ? { missing: String(first.path[0]), found: second.keys[0] ?? '' }
    : null;
}

function isOtherShape(issue: z.core.$ZodIssue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function plain(message: string): string {
  return message
    .replace(/^(Invalid input|Invalid option|Invalid string): /, '')
    .replace(/^[A-Z]/, (first) => first.toLowerCase());
}
