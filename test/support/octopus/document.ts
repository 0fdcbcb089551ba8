import type { Random } from '../random.ts';
import { below, inside } from './document-path.ts';
import type { Kind } from './truth.ts';

/** JSON documents that are written token by token, in spellings that JSON.stringify never produces. */
export type Node = null | string | number | boolean | Leaf | Raw | Pairs | Inner | readonly Node[] | Fields;
export interface Fields {
  readonly [name: string]: Node;
}

/** A string that the truth names. */
export class Leaf {
  readonly kind: Kind;
  readonly text: string;
  /** A secret's plaintext, else the text's bytes. */
  readonly plain: Buffer;
  readonly trap: string | null;
  /** How the string is spelled, given its usual JSON. */
  readonly spell: (json: string) => string;

  constructor(
    kind: Kind,
    text: string,
    also: { plain?: Buffer; trap?: string | null; spell?: (json: string) => string } = {},
  ) {
    this.kind = kind;
    this.text = text;
    this.plain = also.plain ?? Buffer.from(text);
    this.trap = also.trap ?? null;
    this.spell = also.spell ?? ((json) => json);
  }
}

/** A token that is copied as it stands. */
export class Raw {
  readonly json: string;
  constructor(json: string) {
    this.json = json;
  }
}

/** An object whose names may repeat. */
export class Pairs {
  readonly pairs: readonly (readonly [string, Node])[];
  constructor(pairs: readonly (readonly [string, Node])[]) {
    this.pairs = pairs;
  }
}

/** A string that holds a JSON text. */
export class Inner {
  readonly node: Node;
  constructor(node: Node) {
    this.node = node;
  }
}

export interface Written {
  readonly text: string;
  readonly leaves: readonly { readonly path: string; readonly leaf: Leaf }[];
}

const none = (): string => '';

/** White space wherever JSON allows it, seldom where a person would put it. */
export function oddSpace(random: Random): () => string {
  return () => random.pick(['', '', ' ', '\n', '\t', '\r\n', '  ', ' \n\t ']);
}

export function write(document: Node, space: () => string = none): Written {
  const leaves: { path: string; leaf: Leaf }[] = [];
  const list = (open: string, items: readonly string[], close: string) =>
    open + items.map((item) => space() + item + space()).join(',') + close;
  const object = (pairs: readonly (readonly [string, Node])[], path: string): string => {
    const seen = new Map<string, number>();
    const items = pairs.map(([name, node]) => {
      const occurrence = (seen.get(name) ?? 0) + 1;
      seen.set(name, occurrence);
      return `${JSON.stringify(name)}${space()}:${space()}${text(node, below(path, name, occurrence))}`;
    });
    return list('{', items, '}');
  };
  const text = (node: Node, path: string): string => {
    if (node instanceof Leaf) {
      leaves.push({ path, leaf: node });
      return node.spell(JSON.stringify(node.text));
    }
    if (node instanceof Raw) return node.json;
    if (node instanceof Inner) return JSON.stringify(text(node.node, inside(path)));
    if (node instanceof Pairs) return object(node.pairs, path);
    if (isList(node))
      return list(
        '[',
        node.map((item, index) => text(item, below(path, index))),
        ']',
      );
    return typeof node === 'object' && node !== null
      ? object(Object.entries(node), path)
      : JSON.stringify(node);
  };
  const written = text(document, '');
  return { text: space() + written + space(), leaves };
}

function isList(node: Node): node is readonly Node[] {
  return Array.isArray(node);
}
