/**
 * What a scan remembers of its position, so that unwanted paths cost nothing.
 * A path is `.key` for plain keys, `["any.key"]` for others, `[3]` for array items: every position has its own.
 */
export interface Track<Position> {
  readonly root: Position;
  /** @param key decoded */
  member(place: Position, key: string): Position;
  item(place: Position, index: number): Position;
  /** The path of a leaf; undefined if a string here is not a leaf. */
  path(place: Position): string | undefined;
}

/** Every string is a leaf: the position is its path. */
export const anyString: Track<string> = {
  root: '',
  member(place, key) {
    return isPlain(key) ? `${place}.${key}` : `${place}[${JSON.stringify(key)}]`;
  },
  item(place, index) {
    return `${place}[${index}]`;
  },
  path(place) {
    return place;
  },
};

/** A step towards the named leaves. Elsewhere nothing is tracked. */
interface Step {
  path?: string;
  readonly members: Map<string, Step>;
  readonly items: Map<number, Step>;
}

/** Only strings at these paths (as job files write them) are leaves. */
export function namedStrings(paths: readonly string[]): Track<Step | undefined> {
  const root: Step = { members: new Map(), items: new Map() };
  for (const path of paths) {
    let step = root;
    let canonical = '';
    for (const [, key, index] of path.matchAll(/\.([^.[\]]+)|\[(\d+)\]/g)) {
      step = key === undefined ? grow(step.items, Number(index)) : grow(step.members, key);
      canonical += key === undefined ? `[${Number(index)}]` : `.${key}`;
    }
    step.path = canonical;
  }
  return {
    root,
    member: (place, key) => place?.members.get(key),
    item: (place, index) => place?.items.get(index),
    path: (place) => place?.path,
  };
}

function grow<K>(steps: Map<K, Step>, key: K): Step {
  let step = steps.get(key);
  if (step === undefined) {
    step = { members: new Map(), items: new Map() };
    steps.set(key, step);
  }
  return step;
}

/** [A-Za-z0-9_$-]+: the keys that a path in a job file can name. */
function isPlain(key: string): boolean {
  for (let i = 0; i < key.length; i++) {
    const c = key.charCodeAt(i);
    const plain =
      (c >= 97 && c <= 122) ||
      (c >= 65 && c <= 90) ||
      (c >= 48 && c <= 57) ||
      c === 95 ||
      c === 36 ||
      c === 45;
    if (!plain) return false;
  }
  return key !== '';
}
