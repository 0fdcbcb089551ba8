import { createCipheriv, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { digestAll, digestBytes, digestKey, Messages } from '../../src/chunk/digest.ts';
import { addRow, type Evidence } from '../../src/chunk/evidence.ts';
import { formatOf } from '../../src/formats/registry.ts';
import { Key } from '../../src/keys/key.ts';

interface Part {
  readonly bytes: Buffer;
  readonly tag: number;
}

interface Message {
  readonly tag: number;
  readonly parts: readonly Part[];
}

/** The encoding and the MAC from their description alone: one CBC encryption a message, its last block. */
function expected(key: Buffer, { tag, parts }: Message): string {
  const body = Buffer.concat(
    parts.flatMap((part) => {
      const head = Buffer.alloc(5);
      head.writeUInt32LE(part.bytes.length);
      head[4] = part.tag;
      return [head, part.bytes];
    }),
  );
  const first = Buffer.alloc(16);
  first.writeUInt32LE(body.length);
  first[4] = tag;
  const padding = Buffer.alloc((16 - (body.length % 16)) % 16);
  const cipher = createCipheriv('aes-256-cbc', key, Buffer.alloc(16)).setAutoPadding(false);
  return cipher
    .update(Buffer.concat([first, body, padding]))
    .subarray(-16, -16 + digestBytes)
    .toString('hex');
}

function digests(key: Buffer, all: readonly Message[]): string[] {
  const messages = new Messages();
  for (const { tag, parts } of all) {
    messages.begin(tag);
    for (const part of parts) messages.add(part.bytes, part.tag);
    messages.finish();
  }
  const packed = digestAll(key, messages);
  return all.map((_, i) => packed.subarray(i * digestBytes, (i + 1) * digestBytes).toString('hex'));
}

const length = fc.oneof(
  fc.integer({ min: 0, max: 5000 }),
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: 980, max: 1040 }),
);
const tag = fc.integer({ min: 0, max: 255 });
const part = fc.record({ bytes: length.map((n) => randomBytes(n)), tag });
const message = fc.record({ tag, parts: fc.array(part, { maxLength: 4 }) });

describe('a digest', () => {
  test('is the CBC-MAC of its message, whatever else is in the batch', () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 60 }), (all) => {
        const key = randomBytes(32);
        expect(digests(key, all)).toEqual(all.map((each) => expected(key, each)));
      }),
      { numRuns: 150 },
    );
  });

  test('of text is that of its UTF-8, for short and long text with any letters', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 90 }), { maxLength: 20 }), (texts) => {
        const key = randomBytes(32);
        const messages = new Messages();
        for (const text of texts) {
          messages.begin(1);
          messages.add(text, 2);
          messages.finish();
        }
        const packed = digestAll(key, messages).toString('hex');
        const all = texts.map((text) => ({ tag: 1, parts: [{ bytes: Buffer.from(text), tag: 2 }] }));
        expect(packed).toBe(all.map((each) => expected(key, each)).join(''));
      }),
    );
  });

  test('of no message is empty', () => {
    expect(digestAll(randomBytes(32), new Messages())).toHaveLength(0);
  });

  test('has another key for another master key, run or target', () => {
    const one = Key.fromText('one');
    const keys = [
      digestKey(one, 'run', 'table'),
      digestKey(Key.fromText('two'), 'run', 'table'),
      digestKey(one, 'run 2', 'table'),
      digestKey(one, 'run', 'table 2'),
      digestKey(one, 'run/table', ''),
    ];
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(keys.length);
  });

  test('of a row depends on the position and the kind of its bytes', () => {
    const key = randomBytes(32);
    const [fernet, octopus] = [{ format: formatOf('fernet') }, { format: formatOf('octopus') }];
    const of = (id: readonly string[], evidence: readonly Partial<Evidence>[]): string => {
      const messages = new Messages();
      const whole = evidence.map((part) => ({
        kind: 'plaintext' as const,
        column: 'data',
        path: '',
        bytes: 'secret',
        layers: [],
        ...part,
      }));
      addRow(messages, { id, values: [] }, whole);
      return digestAll(key, messages).toString('hex', digestBytes);
    };
    const all = [
      of(['1'], [{}]),
      of(['2'], [{}]),
      of(['1', ''], [{}]),
      of(['1'], [{ bytes: 'secreT' }]),
      of(['1'], [{ bytes: 'secret\0' }]),
      of(['1'], [{ column: 'dat', path: 'a' }]),
      of(['1'], [{ path: '[0]' }]),
      of(['1'], [{ path: '[1]' }]),
      of(['1'], [{ kind: 'stored' }]),
      of(['1'], []),
      of(['1'], [{}, {}]),
      of(['1'], [{ layers: [fernet] }]),
      of(['1'], [{ layers: [fernet, fernet] }]),
      of(['1'], [{ layers: [octopus] }]),
      of(['1'], [{ bytes: '' }, {}]),
      of(['1'], [{}, { bytes: '' }]),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(of(['1'], [{ bytes: Buffer.from('secret') }])).toBe(all[0]);
  });
});
