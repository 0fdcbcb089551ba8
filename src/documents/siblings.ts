/** A step of a path as json-track.ts writes it: `.key`, `["any.key"]`, `[3]`, or `#` for JSON inside a string. */
const step = /\.([^.[\]#]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|(#)/gy;

/**
 * The members of the object that contains the value at `path`, such as `Type: Sensitive`. Empty if the value is not in
 * an object. Of duplicate keys, the last one counts.
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
