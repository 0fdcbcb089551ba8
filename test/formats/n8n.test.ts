import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { n8n } from '../../src/formats/n8n.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';
import { sealLegacy } from '../support/n8n/encrypt.ts';
import { Random } from '../support/random.ts';
import { N8nFixture } from './n8n-fixture.ts';
import { openOne, plainOf } from './opening.ts';

const dataKey = Key.fromBytes(Buffer.alloc(32, 7));
const ring = new Keyring(Key.fromText('master'), [
  ['legacy', Key.fromText('the legacy key')],
  ['data:abc', dataKey],
]);
const legacyLike = 'U2FsdGVkX1+';
const taggedLike = 'abc:';

function sealOne(plain: string, keys: Keyring, like: string): string {
  return n8n.seal([Buffer.from(plain)], keys, [like])[0] ?? '';
}

// Of four blocks: that garbage is UTF-8 throughout has a chance of 1 in 10^18
const legacySealed = sealOne(`{"password":"${'p'.repeat(36)}"}`, ring, legacyLike);
const taggedSealed = sealOne('{"password":"p"}', ring, taggedLike);

describe.each(['legacy-sqlite', 'mixed-sqlite'] as const)('what n8n itself stored in %s', (name) => {
  const fixture = new N8nFixture(name);
  afterAll(() => fixture.close());

  test('every credential opens to what n8n exports', () => {
    const { credentials } = fixture;
    const openings = n8n.open(
      credentials.map(({ sealed }) => sealed),
      fixture.ring,
    );
    expect(credentials).toHaveLength(name === 'legacy-sqlite' ? 67 : 80);
    expect(openings.map((opening) => JSON.parse(plainOf(opening) ?? ''))).toEqual(
      credentials.map(({ data }) => data),
    );
  });

  test('every other encrypted value opens to its known plaintext', () => {
    const { others } = fixture;
    expect(others.length).toBeGreaterThanOrEqual(24);
    const openings = n8n.open(
      others.map(({ sealed }) => sealed),
      fixture.ring,
    );
    expect(openings.map(plainOf)).toEqual(others.map(({ plain }) => plain));
  });

  test('values that are sealed again with other keys keep their form and open to the same bytes', () => {
    const old = fixture.credentials.map(({ sealed }) => sealed);
    const plain = n8n
      .open(old, fixture.ring)
      .map((opening) => (typeof opening === 'object' ? opening.plain : null));
    expect(plain).not.toContain(null);
    const next = new Keyring(
      Key.fromText('a new instance key'),
      fixture.ring.names
        .filter((named) => named !== 'legacy')
        .map((named) => [named, fixture.ring.named(named) as Key]),
    );
    const renewed = n8n.seal(plain as Buffer[], next, old);
    expect(renewed.map((text) => text.split(':').slice(0, -1))).toEqual(
      old.map((text) => text.split(':').slice(0, -1)),
    );
    // So no column is too narrow for the new values.
    expect(renewed.map((text) => text.length)).toEqual(old.map((text) => text.length));
    expect(n8n.open(renewed, next).map((opening) => typeof opening === 'object' && opening.plain)).toEqual(
      plain,
    );
  });
});

describe('which key opens a value', () => {
  test('legacy values open with the key named legacy or, without one, with the master key', () => {
    const alone = new Keyring(Key.fromText('the legacy key'));
    expect(openOne(n8n, legacySealed, ring)).toMatchObject({ key: ring.named('legacy') });
    expect(openOne(n8n, legacySealed, alone)).toMatchObject({ key: alone.primary });
    expect(openOne(n8n, legacySealed, new Keyring(ring.primary))).toBe('closed');
  });

  test('legacy values are sealed with the same key', () => {
    const fresh = sealOne('x'.repeat(48), new Keyring(ring.primary), legacyLike);
    expect(openOne(n8n, fresh, ring)).toBe('closed');
    expect(plainOf(openOne(n8n, fresh, new Keyring(ring.primary)))).toBe('x'.repeat(48));
  });

  test('a tagged value opens with the data key that it names', () => {
    expect(openOne(n8n, taggedSealed, ring)).toEqual({
      plain: Buffer.from('{"password":"p"}'),
      key: dataKey,
    });
    const other = new Keyring(ring.primary, [['data:abc', Key.fromBytes(Buffer.alloc(32, 8))]]);
    expect(openOne(n8n, taggedSealed, other)).toBe('closed');
  });

  test('a value cannot be sealed with a data key that the ring does not contain', () => {
    expect(() => sealOne('x', ring, taggedSealed.replace('abc', 'gone'))).toThrow('"gone"');
  });
});

describe('text that is not a value of n8n', () => {
  const layout = taggedSealed.slice(4);

  test.each([
    ['clear text', 'hello'],
    ['a URL, whose scheme looks like an id', 'https://example.com/a'],
    ['base64 of something else', Buffer.alloc(48, 1).toString('base64')],
    ['an unknown id before clear text', 'unknown:text'],
    ['an unknown id before base64 of another version', `unknown:${Buffer.alloc(60, 2).toString('base64')}`],
    ['an unknown id before a truncated layout', `unknown:${Buffer.alloc(48, 1).toString('base64')}`],
    ['an unknown id before a legacy value', `unknown:${legacySealed}`],
    ['an unknown id with characters that no id has', `un known:${layout}`],
    ['an id that is too long', `${'a'.repeat(37)}:${layout}`],
    ['an empty id', `:${layout}`],
    ['the wrapped form, which has no prefix', layout],
    ['Salted__ in lower case', legacySealed.toLowerCase()],
    ['an empty string', ''],
  ])('%s is foreign', (_, text) => {
    expect(openOne(n8n, text, ring)).toBe('foreign');
  });

  const bytes = Buffer.from(legacySealed, 'base64');
  test.each([
    ['a truncated legacy value', bytes.subarray(0, 31).toString('base64')],
    ['only the header', bytes.subarray(0, 16).toString('base64')],
    ['one byte too many', Buffer.concat([bytes, Buffer.of(0)]).toString('base64')],
    ['a line break after it', `${legacySealed}\n`],
    ['a line break within', `${legacySealed.slice(0, 20)}\n${legacySealed.slice(20)}`],
    ['the URL alphabet', `U2FsdGVkX1--${legacySealed.slice(12)}`],
    ['two values joined', `${legacySealed},${legacySealed}`],
    ['a known id before clear text', 'abc:text'],
    ['a known id before nothing', 'abc:'],
    ['a known id and one byte too many', `abc:${layout}AA==`],
    ['a known id and white space', `abc: ${layout}`],
    ['an unknown id before the whole layout', `unknown:${layout}`],
  ])('%s is closed', (_, text) => {
    expect(text).not.toBe(legacySealed);
    expect(openOne(n8n, text, ring)).toBe('closed');
  });

  test('a value with wrong last bits in its header is closed, even if the salt is right', () => {
    // The eleventh character: four bits of "_", two of the salt.
    const salt = '89+/'.indexOf(legacySealed[10] as string);
    const text = `U2FsdGVkX1${'ABCD'[salt]}${legacySealed.slice(11)}`;
    expect(Buffer.from(text, 'base64').subarray(8)).toEqual(bytes.subarray(8));
    expect(openOne(n8n, text, ring)).toBe('closed');
  });

  test('a value in base64 that is not canonical is closed', () => {
    const padded = sealOne('', ring, legacyLike);
    expect(padded.endsWith('=')).toBe(true);
    const last = padded.at(-2) as string;
    const other = String.fromCharCode(last.charCodeAt(0) + 1);
    const spelled = `${padded.slice(0, -2)}${other}=`;
    expect(Buffer.from(spelled, 'base64')).toEqual(Buffer.from(padded, 'base64'));
    expect(plainOf(openOne(n8n, padded, ring))).toBe('');
    expect(openOne(n8n, spelled, ring)).toBe('closed');
    expect(openOne(n8n, padded.slice(0, -1), ring)).toBe('closed');
  });

  test('a tagged value with any single bit changed is closed', () => {
    const sealed = Buffer.from(layout, 'base64');
    for (let bit = 8; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(openOne(n8n, `abc:${changed.toString('base64')}`, ring)).toBe('closed');
    }
  });

  test('arbitrary text is foreign or closed, and open does not throw', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }).map((text) => `abc:${text}`),
      fc.base64String({ minLength: 12 }).map((text) => `U2FsdGVkX1${text}`),
    );
    fc.assert(fc.property(texts, (text) => typeof openOne(n8n, text, ring) === 'string'));
  });
});

describe('a wrong key', () => {
  test('yields valid padding for 1 value in 255, and of those hardly any is UTF-8', () => {
    const random = new Random('n8n');
    const plain = Array.from({ length: 4000 }, (_, i) => Buffer.from(`{"accessToken":"token number ${i}"}`));
    const sealed = plain.map((bytes) => sealLegacy(bytes, 'the legacy key', random.bytes(8)));
    const wrong = new Keyring(Key.fromText('another key'));
    const opened = n8n.open(sealed, wrong).filter((opening) => typeof opening === 'object');
    // Some 16 pass the padding; of those none is UTF-8
    expect(opened).toHaveLength(0);
    expect(n8n.open(sealed, ring).map(plainOf)).toEqual(plain.map(String));
  });

  test('a legacy plaintext that is not UTF-8 does not count as opened', () => {
    const [sealed = ''] = n8n.seal([Buffer.of(0xff, 0xfe)], ring, [legacyLike]);
    expect(openOne(n8n, sealed, ring)).toBe('closed');
    const [tagged = ''] = n8n.seal([Buffer.of(0xff, 0xfe)], ring, [taggedLike]);
    expect(openOne(n8n, tagged, ring)).toMatchObject({ plain: Buffer.of(0xff, 0xfe) });
  });
});

describe('sealing', () => {
  test('anything that is sealed opens to the same bytes, in order, with any key and in both forms', () => {
    const value = fc.record({ text: fc.string({ unit: 'grapheme', maxLength: 80 }), tagged: fc.boolean() });
    const key = fc.string({ unit: 'binary', minLength: 1 });
    fc.assert(
      fc.property(
        fc.array(value),
        key,
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        (values, master, data) => {
          const keys = new Keyring(Key.fromText(master), [['data:A-_9', Key.fromBytes(data)]]);
          const plain = values.map(({ text }) => Buffer.from(text));
          const sealed = n8n.seal(
            plain,
            keys,
            values.map(({ tagged }) => (tagged ? 'A-_9:' : legacyLike)),
          );
          const openings = n8n.open(sealed, keys);
          expect(openings.map((opening) => typeof opening === 'object' && opening.plain)).toEqual(plain);
          expect(sealed.map((text) => text.startsWith('A-_9:'))).toEqual(values.map(({ tagged }) => tagged));
          expect(sealed.every((text) => n8n.prefixes(keys).some((prefix) => text.startsWith(prefix)))).toBe(
            true,
          );
        },
      ),
    );
  });

  test('the same text has another salt each time it is sealed', () => {
    for (const like of [legacyLike, taggedLike]) {
      const sealed = n8n.seal(Array(50).fill(Buffer.from('same')), ring, Array(50).fill(like));
      expect(new Set(sealed).size).toBe(50);
      expect(new Set(sealed.map((text) => text.slice(like.length, like.length + 9))).size).toBe(50);
    }
  });

  test('the length of a legacy ciphertext is known in advance', () => {
    for (let length = 0; length < 70; length++) {
      expect(n8n.sealedLength(length)).toBe(sealOne('x'.repeat(length), ring, legacyLike).length);
    }
  });
});

describe('an empty value', () => {
  test.each(['', 'AAAA', 'null', 'U2FsdGVkX1+g', Buffer.alloc(15).toString('base64')])(
    '"%s" is base64 of fewer than 16 bytes, which n8n reads as an empty value',
    (text) => {
      expect(n8n.isEmpty(text)).toBe(true);
    },
  );

  test.each([
    'a b',
    'hello',
    '{}',
    'AAA',
    'abc:',
    ':',
    Buffer.alloc(16).toString('base64'),
    legacySealed,
    taggedSealed,
  ])('"%s" is not empty', (text) => {
    expect(n8n.isEmpty(text)).toBe(false);
  });
});

test('values are searched for by the beginnings of both forms', () => {
  expect(n8n.prefixes(ring)).toEqual(['U2FsdGVkX1', 'abc:']);
  expect(n8n.authenticated).toBe(false);
});
