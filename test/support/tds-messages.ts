/*
 * What a server sends in SQL Server's protocol, and what it reads of a client's messages.
 * https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-tds/
 */

export const packetType = {
  batch: 1,
  rpc: 3,
  response: 4,
  attention: 6,
  transaction: 14,
  login: 16,
  prelogin: 18,
};

/** An ERROR token. Classes of 20 and more end the connection. */
export interface ServerError {
  readonly number: number;
  readonly text?: string;
  readonly class?: number;
}

export type Cell = string | number | boolean | null;
export type ResultRow = Readonly<Record<string, Cell>>;

export interface Login {
  readonly user: string;
  readonly program: string;
  readonly database: string;
  readonly readOnlyIntent: boolean;
}

/** A message in packets of at most 4,096 bytes, which is what the driver asks for. */
export function packets(type: number, payload: Buffer): Buffer {
  const room = 4096 - 8;
  const parts: Buffer[] = [];
  for (let first = 0; first === 0 || first < payload.length; first += room) {
    const part = payload.subarray(first, first + room);
    const last = first + room >= payload.length;
    const header = Buffer.from([type, last ? 1 : 0, 0, 0, 0, 0, 1, 0]);
    header.writeUInt16BE(part.length + 8, 2);
    parts.push(header, part);
  }
  return Buffer.concat(parts);
}

/** Version 16, and no encryption. */
export function preloginAnswer(): Buffer {
  return Buffer.from([0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0, 0, 0, 0, 2]);
}

export function loginAck(): Buffer {
  const body = Buffer.concat([
    Buffer.from([1, 0x74, 0, 0, 4]),
    short('a server of the tests'),
    Buffer.from([16, 0, 0, 0]),
  ]);
  return Buffer.concat([token(0xad, body), done()]);
}

export function errorToken({ number, text = `error ${number}`, class: severity = 14 }: ServerError): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt32LE(number);
  head[4] = 1;
  head[5] = severity;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(text.length);
  const body = [
    head,
    length,
    Buffer.from(text, 'utf16le'),
    short('tests'),
    short(''),
    Buffer.from([1, 0, 0, 0]),
  ];
  return token(0xaa, Buffer.concat(body));
}

export function done(failed = false): Buffer {
  return Buffer.concat([Buffer.from([0xfd, failed ? 2 : 0]), Buffer.alloc(11)]);
}

/** The answer to a request to cancel. */
export function cancelled(): Buffer {
  return Buffer.concat([Buffer.from([0xfd, 0x20]), Buffer.alloc(11)]);
}

/** Texts as nvarchar, numbers as int, booleans as bit. */
export function result(rows: readonly ResultRow[]): Buffer {
  const [first] = rows;
  if (first === undefined) return done();
  const names = Object.keys(first);
  const count = Buffer.alloc(2);
  count.writeUInt16LE(names.length);
  const typeOf = (name: string): Cell =>
    rows.map((row) => row[name] ?? null).find((value) => value !== null) ?? '';
  const columns = names.map((name) =>
    Buffer.concat([Buffer.from([0, 0, 0, 0, 1, 0]), typeInfo(typeOf(name)), short(name)]),
  );
  const values = rows.flatMap((row) => [
    Buffer.from([0xd1]),
    ...names.map((name) => cell(row[name] ?? null, typeOf(name))),
  ]);
  return Buffer.concat([Buffer.from([0x81]), count, ...columns, ...values, done()]);
}

/** bitn, intn of 4 bytes, nvarchar(4000) in the collation of an English server. */
function typeInfo(of: Cell): Buffer {
  if (typeof of === 'boolean') return Buffer.from([0x68, 1]);
  return Buffer.from(typeof of === 'number' ? [0x26, 4] : [0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 52]);
}

function cell(value: Cell, of: Cell): Buffer {
  if (value === null) return Buffer.from(typeof of === 'string' ? [0xff, 0xff] : [0]);
  if (typeof value === 'boolean') return Buffer.from([1, value ? 1 : 0]);
  if (typeof value === 'number') {
    const number = Buffer.from([4, 0, 0, 0, 0]);
    number.writeInt32LE(value, 1);
    return number;
  }
  const length = Buffer.alloc(2);
  length.writeUInt16LE(2 * value.length);
  return Buffer.concat([length, Buffer.from(value, 'utf16le')]);
}

/** A transaction has begun (8), was committed (9) or rolled back (10). */
export function transactionToken(change: 8 | 9 | 10): Buffer {
  const descriptor = [8, 1, 0, 0, 0, 0, 0, 0, 0];
  return token(0xe3, Buffer.from(change === 8 ? [change, ...descriptor, 0] : [change, 0, ...descriptor]));
}

export function readLogin(payload: Buffer): Login {
  const text = (at: number): string => {
    const offset = payload.readUInt16LE(at);
    return payload.subarray(offset, offset + 2 * payload.readUInt16LE(at + 2)).toString('utf16le');
  };
  return {
    user: text(40),
    program: text(48),
    database: text(68),
    readOnlyIntent: ((payload[26] ?? 0) & 0x20) !== 0,
  };
}

export function readBatch(payload: Buffer): string {
  return payload.subarray(payload.readUInt32LE(0)).toString('utf16le');
}

/** The statement of a call of sp_executesql, which is its first parameter. */
export function readRpc(payload: Buffer): string {
  // Headers, the number of the procedure, flags; the parameter's name, its flags and its type
  let at = payload.readUInt32LE(0) + 6;
  at += 1 + 2 * (payload[at] ?? 0) + 2;
  const isLong = payload.readUInt16LE(at) === 0xffff;
  at += 2 + 5;
  if (!isLong) return payload.subarray(at + 2, at + 2 + payload.readUInt16LE(at)).toString('utf16le');
  const parts: Buffer[] = [];
  at += 8;
  for (let size = payload.readUInt32LE(at); size > 0; size = payload.readUInt32LE(at)) {
    parts.push(payload.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return Buffer.concat(parts).toString('utf16le');
}

export function readTransaction(payload: Buffer): number {
  return payload.readUInt16LE(payload.readUInt32LE(0));
}

function token(type: number, body: Buffer): Buffer {
  const head = Buffer.from([type, 0, 0]);
  head.writeUInt16LE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** A text with one byte for its length. */
function short(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'utf16le')]);
}
