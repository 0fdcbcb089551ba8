import { type JSONPath, visit } from 'jsonc-parser';
import { MalformedDocument } from './document.ts';
import { mayBeJson, mostNestings } from './json-nested.ts';

/** The same limit as in json-scanner.ts. jsonc-parser is recursive and overflows the stack at about 3,000. */
const maxDepth = 1000;

/**
 * The string leaves of a JSON text, read without json-scanner.ts: another parser, other path code. For the verifier,
 * which must not share a defect with what it verifies.
 */
export function readJson(value: string, paths: readonly string[] | 'any'): { path: string; text: string }[] {
  // A job file may contain [07]; a path that was read never does.
  const wanted = paths === 'any' ? undefined : new Set(paths.map((path) => path.replace(/\[0+(?=\d)/g, '[')));
  const found: { path: string; text: string }[] = [];
  let depth = 0;
  const enter = (offset: number) => {
    if (++depth > maxDepth) throw new MalformedDocument('json', offset);
  };
  const leave = () => {
    depth--;
  };
  visit(
    value,
    {
      onObjectBegin: enter,
      onArrayBegin: enter,
      onObjectEnd: leave,
      onArrayEnd: leave,
      onLiteralValue(literal: unknown, _offset, _length, _line, _character, place) {
        if (typeof literal !== 'string') return;
        const path = written(place());
        if (wanted === undefined || wanted.has(path)) found.push({ path, text: literal });
      },
      onError(_error, offset) {
        throw new MalformedDocument('json', offset);
      },
    },
    { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false },
  );
  return found;
}

/** Also the strings of JSON inside strings: what `any.ts` finds, read with other code. */
export function readNested(value: string, nesting = 1): { path: string; text: string }[] {
  return readJson(value, 'any').flatMap(({ path, text }) => {
    const inner = nesting < mostNestings && mayBeJson(text) ? tryNested(text, nesting + 1) : [];
    if (inner.length === 0) return [{ path, text }];
    return inner.map((each) => ({ path: `${path}#${each.path}`, text: each.text }));
  });
}

function tryNested(text: string, nesting: number): { path: string; text: string }[] {
  try {
    return readNested(text, nesting);
  } catch (error) {
    if (error instanceof MalformedDocument) return [];
    throw error;
  }
}

function written(place: JSONPath): string {
  return place
    .map((step) => {
      if (typeof step === 'number') return `[${step}]`;
      return /^[\w$-]+$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
    })
    .join('');
}
