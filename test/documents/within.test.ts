import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Document, MalformedDocument } from '../../src/documents/document.ts';
import { within } from '../../src/documents/within.ts';
import { aesGcm } from '../../src/formats/aes-gcm.ts';
import type { Format } from '../../src/formats/format.ts';
import { formatOf } from '../../src/formats/registry.ts';

function inside({ signature }: Format): Document {
  if (signature === undefined) throw new Error('the format has no signature');
  return within(signature);
}

const layout = {
  layout: ['nonce 12', 'tag 16', 'ciphertext'],
  prefix: 'enc:',
  separator: '',
  key: 'raw',
  aad: '',
} as const;
const base64 = inside(aesGcm({ ...layout, encoding: 'base64' }));
const parts = inside(aesGcm({ ...layout, encoding: 'hex', prefix: 'v1.', separator: '.' }));
const fernet = inside(formatOf('fernet'));

function texts(document: Document, value: string): string[] {
  const leaves = document.leaves(value);
  for (const { text, start, end } of leaves) expect(value.slice(start, end)).toBe(text);
  const said = leaves.map(({ path, text }) => ({ path, text }));
  expect([...document.read(value)]).toEqual(said);
  return said.map(({ text }) => text);
}

function replaced(document: Document, value: string, to: (text: string) => string): string {
  return document.edit(
    value,
    document.leaves(value).map((leaf) => ({ leaf, text: to(leaf.text) })),
  );
}

describe('values inside other text', () => {
  test.each([
    [
      'YAML',
      'a: enc:QUJD\nb: "enc:+/8="\nc: [enc:QQ==, enc:Qg==]\n',
      ['enc:QUJD', 'enc:+/8=', 'enc:QQ==', 'enc:Qg=='],
    ],
    ['markup', '<a href="enc:QUJD">enc:QQ==</a>', ['enc:QUJD', 'enc:QQ==']],
    ['properties', 'x=enc:QUJD;y=enc:QQ==;', ['enc:QUJD', 'enc:QQ==']],
    ['padding that is followed by more', 'enc:QQ===enc:QQ==QQ', ['enc:QQ==', 'enc:QQ==']],
    ['nothing', 'a text without any', []],
    ['an empty text', '', []],
  ])('are found: %s', (_, value, expected) => {
    expect(texts(base64, value)).toEqual(expected);
  });

  test('end where the characters of the encoding end', () => {
    expect(texts(fernet, '{gAAAAAB-_9==} gAAAAAB+/9')).toEqual(['gAAAAAB-_9==', 'gAAAAAB']);
  });

  test('have exactly their parts', () => {
    expect(texts(parts, 'x v1.0a.Fb.cc.dd v1.00..11,')).toEqual(['v1.0a.Fb.cc', 'v1.00..11']);
    expect(texts(parts, 'v1.0a.zz v1.0a')).toEqual(['v1.0a.', 'v1.0a']);
  });

  test('that are truncated or escaped are found up to that point, so that they are never missed', () => {
    expect(texts(base64, 'folded: enc:QUJD\n  QUJD')).toEqual(['enc:QUJD']);
    expect(texts(base64, '{"slash":"enc:QU\\/JD"}')).toEqual(['enc:QU']);
    expect(texts(base64, 'a word enc: and no more')).toEqual(['enc:']);
  });

  test('with an escape in their beginning make the document malformed', () => {
    for (const value of ['"enc\\u003aQUJD"', 'enc:QUJD "\\\\u0065nc:QUJD"']) {
      expect(() => base64.leaves(value)).toThrow(MalformedDocument);
      expect(() => [...base64.read(value)]).toThrow(MalformedDocument);
    }
    expect(texts(base64, '{"quote":"\\"\\n","enc":"enc:QUJD"}')).toEqual(['enc:QUJD']);
  });

  test('are replaced, and all other characters stay', () => {
    const value = 'a: enc:QUJD # "é"\r\n\tb: <enc:+/8=>\u0000';
    expect(replaced(base64, value, (text) => `${text.slice(0, -1)}9`)).toBe(
      'a: enc:QUJ9 # "é"\r\n\tb: <enc:+/89>\u0000',
    );
    expect(replaced(base64, value, (text) => text)).toBe(value);
  });

  test('are read alike by both parsers', () => {
    const unit = fc.constantFrom(
      'enc:',
      'v1.',
      '.',
      'A',
      'f',
      '=',
      '"',
      '\\',
      ' ',
      ':',
      's:',
      '1',
      '";',
      'é',
    );
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 30 }), (value) => {
        for (const document of [base64, parts]) {
          try {
            texts(document, value);
          } catch (error) {
            if (!(error instanceof MalformedDocument)) throw error;
            expect(() => [...document.read(value)]).toThrow(MalformedDocument);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});

/** PHP's serialize() of a string, and of an array of strings. */
const string = (text: string): string => `s:${Buffer.byteLength(text)}:"${text}";`;
const array = (texts: readonly string[]): string =>
  `a:${texts.length}:{${texts.map((text, i) => `i:${i};${string(text)}`).join('')}}`;

describe("PHP's serialized text", () => {
  test('keeps its lengths if the values do', () => {
    const value = array(['enc:QUJD', 'ünï', 'enc:QQ==']);
    expect(texts(base64, value)).toEqual(['enc:QUJD', 'enc:QQ==']);
    expect(replaced(base64, value, (text) => text.replace('Q', 'R'))).toBe(
      array(['enc:RUJD', 'ünï', 'enc:RQ==']),
    );
  });

  test.each([
    ['an array', (text: string) => array(['before', text, 'ünï', text])],
    ['text around the value', (text: string) => string(`ü ${text} 😀`)],
    ['serialized in serialized', (text: string) => array(['x', array([text, 'ü', array([text])]), 'y'])],
    [
      'a length that grows a digit, in one that does too',
      (text: string) => string(`${'-'.repeat(84)}${string(text)}`),
    ],
    ['an object', (text: string) => `O:8:"stdClass":1:{s:1:"a";${string(text)}}`],
    [
      'an object that serializes itself',
      (text: string) => {
        const inside = `x:i:0;${string(text)}`;
        return `C:11:"ArrayObject":${inside.length}:{${inside}}`;
      },
    ],
    ['a session', (text: string) => `token|${string(text)}count|i:5;`],
    ['another text around it', (text: string) => `data: '${array([text])}' # é`],
  ])('gets the lengths of what grows or shrinks: %s', (_, make) => {
    for (const to of ['enc:QUJDQUJD', 'enc:QQ==', `enc:${'QUJD'.repeat(40)}`])
      expect(replaced(base64, make('enc:QUJDQUI='), () => to)).toBe(make(to));
  });

  test('gets correct lengths for several values that grow differently', () => {
    const make = (a: string, b: string): string => array([`${a} é ${b}`, array([b])]);
    let n = 0;
    const to = ['enc:QUJD', 'enc:QUJDQUJD', 'enc:QQ=='];
    expect(replaced(base64, make('enc:AAAAAAAA', 'enc:BBBBBBBB'), () => to[n++] ?? '')).toBe(
      array(['enc:QUJD é enc:QUJDQUJD', array(['enc:QQ=='])]),
    );
  });

  test.each([
    ['a length that is too short', 's:7:"enc:QUJD";'],
    ['a length that is too long', 's:9:"enc:QUJD";'],
    ['a length in characters', 's:10:"é enc:QUJD";'],
    ['a length that ends within a character', 's:1:"é";s:8:"enc:QUJD";'],
    ['a length far beyond the end', 's:999999999999999999999:"enc:QUJD";'],
    ['an inner length', string('s:7:"enc:QUJD";')],
    ['a length elsewhere in the text', `s:3:"ab";${string('enc:QUJD')}`],
    ['an object that serializes itself', 'C:3:"Own":9:{enc:QUJD}'],
  ])('whose lengths do not fit is no such document: %s', (_, value) => {
    expect(() => base64.leaves(value)).toThrow(MalformedDocument);
    expect(() => [...base64.read(value)]).toThrow(MalformedDocument);
  });

  test('counts a byte that is not UTF-8 as one byte', () => {
    const value = `s:10:"\udcff enc:QUJD";`;
    expect(texts(base64, value)).toEqual(['enc:QUJD']);
    expect(replaced(base64, value, () => 'enc:QQ==QQ')).toBe(`s:12:"\udcff enc:QQ==QQ";`);
  });

  test('is not checked if there is no value', () => {
    expect(texts(base64, 's:1:"broken";')).toEqual([]);
  });
});
