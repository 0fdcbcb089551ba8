import { crc32, gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { any } from '../../src/documents/any.ts';
import { type Document, MalformedDocument } from '../../src/documents/document.ts';
import { gzip, unpackedBytes } from '../../src/documents/gzip.ts';
import { jsonText } from './json-text.ts';

function said(leaves: Iterable<{ readonly path: string; readonly text: string }>) {
  return [...leaves].map(({ path, text }) => [path, text]);
}

/** The value with every leaf that is `from` made `to`. */
function replaced(document: Document, value: string, from: string, to: string): string {
  const edits = document.leaves(value).filter(({ text }) => text === from);
  return document.edit(
    value,
    edits.map((leaf) => ({ leaf, text: to })),
  );
}

describe('text of any kind', () => {
  test('is one leaf if it is not JSON, even if it begins like JSON', () => {
    for (const value of ['abc=|def=', '', '{', '[1,]', '"a" b', '{"a":1} ', 'null']) {
      const whole = value === '{"a":1} ' ? [] : [['', value]];
      expect(said(any.leaves(value))).toEqual(whole);
      expect(said(any.read(value))).toEqual(whole);
    }
    expect(replaced(any, 'abc', 'abc', 'd"e')).toBe('d"e');
  });

  test('can be JSON after a byte order mark, which is kept', () => {
    const value = '\ufeff {"a":"old","Type":"Sensitive"}';
    expect(said(any.leaves(value))).toContainEqual(['.a', 'old']);
    expect(said(any.read(value))).toEqual(said(any.leaves(value)));
    expect(any.siblings(value, '.a')).toMatchObject({ Type: 'Sensitive' });
    expect(replaced(any, value, 'old', 'new')).toBe('\ufeff {"a":"new","Type":"Sensitive"}');
    for (const encoding of ['utf8', 'utf16le'] as const) {
      const zipped = gzipSync(Buffer.from(value, encoding)).toString('latin1');
      expect(said(gzip.leaves(zipped))).toEqual(said(any.leaves(value)));
      const edited = Buffer.from(replaced(gzip, zipped, 'old', 'new'), 'latin1');
      expect(gunzipSync(edited).toString(encoding)).toBe(replaced(any, value, 'old', 'new'));
    }
  });

  test('gives every string of JSON, and the strings of JSON inside strings', () => {
    const inner = JSON.stringify({ secret: 'x', more: [JSON.stringify(['deep', 7])] });
    const value = JSON.stringify({ plain: 'p', settings: inner, empty: '{}', broken: '{"a":' });
    const expected = [
      ['.plain', 'p'],
      ['.settings#.secret', 'x'],
      ['.settings#.more[0]#[0]', 'deep'],
      ['.empty', '{}'],
      ['.broken', '{"a":'],
    ];
    expect(said(any.leaves(value))).toEqual(expected);
    expect(said(any.read(value))).toEqual(expected);
  });

  test('is edited inside strings inside strings, and all other characters stay as they are', () => {
    const value = String.raw`{ "a" : "{\u0022k\":\"x\\u002Fy\",\"s\": \"old\\u002b\", \"n\":1.0, \"e\":\"\\\"\"}" , "b":"old\u002B" , "c":1e5}`;
    expect(said(any.leaves(value))).toEqual([
      ['.a#.k', 'x/y'],
      ['.a#.s', 'old+'],
      ['.a#.e', '"'],
      ['.b', 'old+'],
    ]);
    const edited = replaced(any, value, 'old+', 'new"');
    expect(edited).toBe(
      value
        .replace(String.raw`old\\u002b`, String.raw`new\\\"`)
        .replace(String.raw`old\u002B`, String.raw`new\"`),
    );
    expect(JSON.parse(JSON.parse(edited).a).s).toBe('new"');
  });

  test('is read alike by both parsers, and an edit changes only its leaf', () => {
    const texts = jsonText.map(({ text }) => text);
    const nested = fc.oneof(
      texts,
      texts.map((text) => JSON.stringify({ a: text })),
      texts.map((text) => JSON.stringify([JSON.stringify({ b: text })])),
      fc.string(),
    );
    fc.assert(
      fc.property(nested, fc.string(), (value, text) => {
        const leaves = any.leaves(value);
        expect(said(any.read(value))).toEqual(said(leaves));
        for (const leaf of leaves.slice(0, 3)) {
          const edited = any.edit(value, [{ leaf, text }]);
          expect(edited.startsWith(value.slice(0, leaf.start))).toBe(true);
          expect(edited.endsWith(value.slice(leaf.end))).toBe(true);
        }
        const same = leaves.map((leaf) => ({ leaf, text: leaf.text }));
        expect(any.edit(value, same)).toBe(value);
      }),
      { numRuns: 300 },
    );
  });

  test('gives the siblings of a value', () => {
    const value = JSON.stringify({
      Variables: [{ Value: 'v', Type: 'Sensitive', 'a.b': { c: 'd', e: 5 } }],
      text: JSON.stringify({ Value: 'w', IsSensitive: true }),
    });
    expect(any.siblings(value, '.Variables[0].Value')).toMatchObject({ Type: 'Sensitive' });
    expect(any.siblings(value, '.Variables[0]["a.b"].c')).toEqual({ c: 'd', e: 5 });
    expect(any.siblings(value, '.text#.Value')).toEqual({ Value: 'w', IsSensitive: true });
    expect(any.siblings('["a"]', '[0]')).toEqual({});
    expect(any.siblings('no JSON', '')).toEqual({});
  });
});

describe('a gzip', () => {
  const pack = (text: string, encoding: 'utf16le' | 'utf8') =>
    gzipSync(Buffer.from(text, encoding)).toString('latin1');
  const unpack = (value: string, encoding: 'utf16le' | 'utf8') =>
    gunzipSync(Buffer.from(value, 'latin1')).toString(encoding);

  test.each(['utf16le', 'utf8'] as const)('of JSON in %s is edited', (encoding) => {
    const json = '{ "a":"old", "n":9007199254740993, "é😀":"\\u006fld" }';
    const value = pack(json, encoding);
    expect(said(gzip.leaves(value))).toEqual(said(any.leaves(json)));
    expect(said(gzip.read(value))).toEqual(said(any.leaves(json)));
    expect(gzip.siblings(value, '.a')).toMatchObject({ a: 'old' });
    expect(unpack(replaced(gzip, value, 'old', 'new'), encoding)).toBe(
      '{ "a":"new", "n":9007199254740993, "é😀":"new" }',
    );
    expect(gzip.edit(value, [])).toBe(value);
  });

  test('keeps its header with name and time', () => {
    const plain = gzipSync('{"a":"old"}');
    const header = Buffer.concat([
      Buffer.from([0x1f, 0x8b, 8, 0x1e, 1, 2, 3, 4, 2, 3]),
      Buffer.from([2, 0, 0x41, 0x42]),
      Buffer.from('name\0comment\0', 'latin1'),
    ]);
    // FHCRC: the low half of the CRC of all before it
    const check = Buffer.alloc(2);
    check.writeUInt16LE(crc32(header) & 0xffff);
    const named = Buffer.concat([header, check, plain.subarray(10)]).toString('latin1');
    const edited = replaced(gzip, named, 'old', 'new');
    expect(edited.slice(0, header.length + 2)).toBe(named.slice(0, header.length + 2));
    expect(unpack(edited, 'utf8')).toBe('{"a":"new"}');
  });

  test('with several members, or with bytes after it, is refused, but searched to its end', () => {
    const one = pack('{"a":"b"}', 'utf8');
    const two = pack('second', 'utf8');
    for (const rest of ['\0', 'rest', two, pack('', 'utf8')])
      for (const value of [one + rest, pack('', 'utf8') + one + rest]) {
        expect(() => gzip.leaves(value)).toThrow(MalformedDocument);
        expect(() => [...gzip.read(value)]).toThrow(MalformedDocument);
        expect(() => gzip.edit(value, [])).toThrow(MalformedDocument);
        expect(unpackedBytes(value)).toContain('{"a":"b"}');
      }
    expect(unpackedBytes(`${one}${two}rest`)).toBe('{"a":"b"}secondrest');
    expect(unpackedBytes('no gzip')).toBe('no gzip');
  });

  test('is refused if it is not a gzip, is truncated, or does not contain text', () => {
    const whole = pack('{"a":"b"}', 'utf8');
    const binary = gzipSync(Buffer.from([0xff, 0xfe, 0x80])).toString('latin1');
    const damaged = `${whole.slice(0, -8)}\0${whole.slice(-7)}`;
    for (const value of ['', 'plain', whole.slice(0, -9), whole.slice(0, -1), damaged, binary]) {
      expect(() => gzip.leaves(value)).toThrow(MalformedDocument);
      expect(() => [...gzip.read(value)]).toThrow(MalformedDocument);
    }
  });
});
