/** A step of a path as json-track.ts writes it: `.key`, `["any.key"]`, `[3]`, `#` into a JSON text inside a string. */
const step = /\.([^.[\]#]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|(#)/gy;

/**
 * The scalar members of the object that holds the value at `path`: what a document says of it beside it, such as
 * `Type: Sensitive`. Empty where the value is in no object. Of duplicate keys the last one counts.
 */
export function siblingsAt(json: string, path: string): Readonly<Record<string, unknown>> {
  let holder: unknown;
  let at: unknown = parsed(json);
  for (const [, plain, quoted, index, into] of path.matchAll(step)) {
    holder = at;
    if (into !== undefined) at = parsed(at);
    else at = member(at, plain ?? (quoted === undefined ? index : JSON.parse(`"${quoted}"`)));
  }
  if (typeof holder !== 'object' || holder === null || Array.isArray(holder)) return {};
  return holder as Record<string, unknown>;
}

function member(of: unknown, key: string | undefined): unknown {
  if (typeof of !== 'object' || of === null || key === undefined) return undefined;
  return Object.hasOwn(of, key) ? (of as Record<string, unknown>)[key] : undefined;
}

function parsed(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}
