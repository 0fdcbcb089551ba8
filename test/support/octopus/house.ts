import { gzipSync } from 'node:zlib';
import { Leaf, type Node, write } from './document.ts';
import type { Sealer } from './sealer.ts';
import { tables } from './tables.ts';
import type { Value } from './truth.ts';

export type Cell = string | number | boolean | Buffer | null;

/** A cell, or what it is made of: a leaf is a whole value, a stream its plaintext, sealed raw. */
export type Content = Cell | Leaf | Document | Stream;

/** A JSON text in a text column. */
export interface Document {
  readonly document: Node;
  readonly space?: () => string;
  /** gzip over UTF-16LE, for a binary column. */
  readonly gzip?: boolean;
  /** The trap that the document itself is, though none of its leaves be. */
  readonly trap?: string;
}

export interface Stream {
  readonly stream: Buffer;
}

/** The rows of all tables in memory, and the truth about them. */
export class House {
  readonly sealer: Sealer;
  readonly rows = new Map<string, Record<string, Cell>[]>(tables.map(({ name }) => [name, []]));
  readonly values: Value[] = [];
  secrets = 0;

  constructor(sealer: Sealer) {
    this.sealer = sealer;
  }

  /** Columns that are not named are NULL, but for those that may not be. */
  readonly add = (table: string, id: string | null, contents: Readonly<Record<string, Content>>): void => {
    const rows = this.rows.get(table);
    if (rows === undefined) throw new Error(`there is no table ${table}`);
    const row: Record<string, Cell> = id === null ? {} : { Id: id };
    for (const [column, content] of Object.entries(contents)) {
      row[column] = this.#cell({ table, id, column }, content);
    }
    rows.push(row);
  };

  /** Names what a cell is as a whole. */
  readonly name = (table: string, id: string, column: string, kind: Value['kind'], trap: string): void => {
    const row = this.rows.get(table)?.findLast((candidate) => candidate.Id === id);
    const cell = row?.[column] ?? null;
    const plain = cell === null ? null : Buffer.isBuffer(cell) ? cell : Buffer.from(String(cell));
    this.#note({ table, id, column, path: '', kind, plain, form: 'text', trap });
  };

  #note(value: Value): void {
    this.values.push(value);
    if (value.kind === 'secret') this.secrets++;
  }

  #cell(at: Pick<Value, 'table' | 'id' | 'column'>, content: Content): Cell {
    if (content === null || typeof content !== 'object' || Buffer.isBuffer(content)) return content;
    if (content instanceof Leaf) {
      const { kind, plain, trap } = content;
      this.#note({ ...at, path: '', kind, plain, form: 'text', trap });
      return content.text;
    }
    if ('stream' in content) {
      this.#note({ ...at, path: '', kind: 'secret', plain: content.stream, form: 'stream', trap: null });
      return this.sealer.stream(content.stream);
    }
    const { text, leaves } = write(content.document, content.space);
    for (const { path, leaf } of leaves) {
      const { kind, plain } = leaf;
      this.#note({ ...at, path, kind, plain, form: 'text', trap: leaf.trap ?? content.trap ?? null });
    }
    return content.gzip === true ? gzipSync(Buffer.from(text, 'utf16le'), { level: 1 }) : text;
  }
}
