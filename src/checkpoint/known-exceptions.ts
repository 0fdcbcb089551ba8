import type { Exception, ExceptionTable } from './exception-table.ts';

const page = 500;

/** Whether every open exception of `found` is also an open exception of `known`. */
export async function isWithin(found: ExceptionTable, known: ExceptionTable): Promise<boolean> {
  const names = new Set<string>();
  for await (const exception of all(known)) names.add(place(exception));
  for await (const exception of all(found)) if (!names.has(place(exception))) return false;
  return true;
}

function place({ target, rowId, field, path }: Exception): string {
  return JSON.stringify([target, rowId, field, path]);
}

async function* all(table: ExceptionTable): AsyncGenerator<Exception> {
  for (let offset = 0; ; offset += page) {
    const exceptions = await table.open(page, offset);
    yield* exceptions;
    if (exceptions.length < page) return;
  }
}
