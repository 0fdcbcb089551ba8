import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KeyturnError } from '../../src/error.ts';
import { builtInJobs, loadJob } from '../../src/job/load.ts';

const formats = ['n8n', 'n8n-wrapped'];
const valid = `job: shop
title: Shop
key:
  form: text
  generate: { bytes: 24, as: base64 }
canary:
  - { table: customers, column: iban, format: n8n }
phases:
  - name: values
    targets:
      - table: customers
        fields:
          - column: iban
            format: n8n
  - name: keys
    targets:
      - table: vault
        fields:
          - column: value
            format: n8n-wrapped
            becomes: primary
`;
let folder: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-load-'));
  file = join(folder, 'shop.yaml');
});
afterAll(() => rmSync(folder, { recursive: true }));

function load(text: string | Uint8Array) {
  writeFileSync(file, text);
  return loadJob(file, formats);
}

/** The job with one piece of its text replaced; the piece must be there. */
function edited(from: string, to: string): string {
  if (!valid.includes(from)) throw new Error(`the test's job has no ${from}`);
  return valid.replace(from, to);
}

function refusal(work: () => unknown): KeyturnError {
  try {
    work();
  } catch (error) {
    if (error instanceof KeyturnError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** The problems of the message, each without the file's path. */
function problems(text: string): string[] {
  const error = refusal(() => load(text));
  expect(error.code).toBe('job-invalid');
  const lines = error.message.split('\n');
  for (const line of lines) expect(line.startsWith(`${file}:`)).toBe(true);
  return lines.map((line) => line.slice(file.length + 1));
}

test('a job file is loaded by its path, with its defaults and the digest of its bytes', () => {
  const loaded = load(valid);
  expect(loaded.path).toBe(file);
  expect(loaded.hash).toBe(createHash('sha256').update(readFileSync(file)).digest('hex'));
  expect(loaded.file.key.trim).toBe('space');
  expect(loaded.file.phases[0]?.targets[0]?.fields[0]).toMatchObject({
    document: 'text',
    plaintext: 'any',
    foreign: 'exception',
    closed: 'exception',
    optional: false,
  });
});

test('n8n is a built-in job and is valid', () => {
  expect(builtInJobs()).toContain('n8n');
  expect(loadJob('n8n', formats).file.title).toBe('n8n');
});

test('an unknown job is refused with the names of the built-in jobs', () => {
  const error = refusal(() => loadJob('n9n', formats));
  expect(error.code).toBe('job-unknown');
  expect(error.message).toContain('n9n');
  expect(error.hint).toContain('n8n');
});

test('a folder is not a job', () => {
  mkdirSync(join(folder, 'jobs'), { recursive: true });
  expect(refusal(() => loadJob(join(folder, 'jobs'), formats)).code).toBe('job-unknown');
});

test('bytes that are not UTF-8 are refused', () => {
  expect(refusal(() => load(Buffer.from([0x6a, 0xff, 0xfe]))).code).toBe('job-invalid');
});

test('a field can describe AES-GCM, with defaults', () => {
  const text = edited(
    'format: n8n\n',
    'format: { aes-gcm: { layout: [nonce 12, ciphertext, tag 16], key: sha256 } }\n',
  );
  expect(load(text).file.phases[0]?.targets[0]?.fields[0]?.format).toEqual({
    'aes-gcm': {
      layout: ['nonce 12', 'ciphertext', 'tag 16'],
      encoding: 'base64',
      prefix: '',
      separator: '',
      key: 'sha256',
      aad: '',
    },
  });
});

describe('an invalid description of AES-GCM is refused at its field', () => {
  const at = '14: phases[0].targets[0].fields[0].format.aes-gcm';

  test.each<[string, string, string]>([
    ['no layout', '{}', '.layout: missing, expected array'],
    ['no nonce', '{ layout: [ciphertext, tag 16] }', '.layout: nonce is missing'],
    ['no ciphertext', '{ layout: [nonce 12, tag 16] }', '.layout: ciphertext is missing'],
    ['two tags', '{ layout: [nonce 12, tag 16, ciphertext, tag 16] }', '.layout: tag is repeated'],
    ['a part without its length', '{ layout: [nonce, ciphertext, tag 16] }', '.layout[0]: nonce N, tag N'],
    ['an unknown part', '{ layout: [nonce 12, ciphertext, mac 16] }', '.layout[2]: nonce N, tag N'],
    [
      'a nonce that would repeat',
      '{ layout: [nonce 7, ciphertext, tag 16] }',
      '.layout[0]: a nonce must have 8 to 64',
    ],
    [
      'a tag that is too short',
      '{ layout: [nonce 12, ciphertext, tag 8] }',
      '.layout[2]: a tag must have 12 to 16',
    ],
    [
      'a tag that is too long',
      '{ layout: [nonce 12, tag 17, ciphertext] }',
      '.layout[1]: a tag must have 12 to 16',
    ],
    [
      'an unknown encoding',
      '{ layout: [nonce 12, ciphertext, tag 16], encoding: base32 }',
      '.encoding: expected',
    ],
    ['an unknown setting', '{ layout: [nonce 12, ciphertext, tag 16], salt: x }', '.salt: unknown field'],
    [
      'a separator that the encoding uses',
      "{ layout: [nonce 12, ciphertext, tag 16], separator: '-' }",
      '.separator: no character that an encoding uses',
    ],
    [
      'a separator between raw bytes',
      "{ layout: [nonce 12, ciphertext, tag 16], encoding: raw, separator: ':' }",
      '.separator: cannot be used with raw: raw bytes can contain any separator',
    ],
    [
      'an unknown hash',
      '{ layout: [nonce 12, ciphertext, tag 16], key: { hkdf: { hash: md5 } } }',
      '.key.hkdf.hash: expected one of',
    ],
    [
      'a derived key of another length',
      '{ layout: [nonce 12, ciphertext, tag 16], key: { hkdf: { bytes: 20 } } }',
      '.key.hkdf.bytes: expected 16, or expected 24, or expected 32',
    ],
  ])('%s', (_what, layout, expected) => {
    const found = problems(edited('format: n8n\n', `format: { aes-gcm: ${layout} }\n`));
    expect(found).toEqual([expect.stringContaining(`${at}${expected}`)]);
  });

  test('aes-gcm without a description', () => {
    expect(problems(edited('format: n8n\n', 'format: aes-gcm\n'))).toEqual([
      '14: phases[0].targets[0].fields[0].format: aes-gcm needs its layout: { aes-gcm: { layout: [nonce 12, ciphertext, tag 16] } }',
    ]);
  });

  test('another cipher', () => {
    expect(problems(edited('format: n8n\n', 'format: { aes-cbc: {} }\n'))).toEqual([
      expect.stringMatching(/format\.aes-gcm: missing/),
      expect.stringMatching(/format\.aes-cbc: unknown field/),
    ]);
  });

  test('a key that the cipher does not accept', () => {
    const all = 'format: { aes-gcm: { layout: [nonce 12, ciphertext, tag 16] } }\n';
    const raw = edited('format: n8n\n', all);
    expect(problems(raw)).toEqual(['4: key.form: must be base64, base64url or hex: aes-gcm needs a raw key']);
    const base64 = raw.replace('form: text', 'form: base64');
    expect(problems(base64)).toEqual([
      '3: key.bytes: must be 16 or 24 or 32: aes-gcm accepts no other length',
    ]);
    expect(problems(base64.replace('form: base64', 'form: base64\n  bytes: [24, 20]'))).toEqual([
      '5: key.bytes: must be 16 or 24 or 32: aes-gcm accepts no other length',
    ]);
    expect(load(base64.replace('form: base64', 'form: base64\n  bytes: [24, 32]')).file.key.bytes).toEqual([
      24, 32,
    ]);
  });
});

describe('how a column contains ciphertext', () => {
  const described = (more: string, prefix: string, encoding = 'base64') =>
    edited(
      'format: n8n\n',
      `format: { aes-gcm: { layout: [nonce 12, ciphertext, tag 16], key: sha256, prefix: "${prefix}", encoding: ${encoding} } }\n            ${more}\n`,
    );

  test('is declared with its format', () => {
    const [field] =
      load(edited('format: n8n\n', 'format: n8n\n            lines: 60\n            trim: true\n')).file
        .phases[0]?.targets[0]?.fields ?? [];
    expect(field).toMatchObject({ lines: 60, trim: true });
    for (const encoding of ['base64', 'base64url', 'hex'])
      expect(load(described('document: within', 'enc:', encoding)).file.job).toBe('shop');
  });

  test.each<[string, string, string]>([
    [
      'within, of values without a fixed beginning',
      edited('format: n8n\n', 'format: n8n\n            document: within\n'),
      '15: phases[0].targets[0].fields[0].document: within finds values by their beginning',
    ],
    [
      'within, of values without a prefix',
      described('document: within', ''),
      '15: phases[0].targets[0].fields[0].document: within finds values by their beginning',
    ],
    [
      'within, of bytes',
      described('document: within', 'enc:', 'raw'),
      '15: phases[0].targets[0].fields[0].document: within finds values by their beginning',
    ],
    [
      'lines within other text',
      described('document: within\n            lines: 60', 'enc:'),
      '16: phases[0].targets[0].fields[0].lines: cannot be used with within',
    ],
    [
      'lines of bytes',
      described('lines: 60', '', 'raw'),
      '15: phases[0].targets[0].fields[0].lines: only for ciphertext in text',
    ],
    ['lines of nothing', described('lines: 0', 'enc:'), '15: phases[0].targets[0].fields[0].lines: '],
    [
      'a canary within text that cannot be found',
      edited('format: n8n }\n', 'format: n8n, document: within }\n'),
      '7: canary[0].document: within finds values by their beginning',
    ],
  ])('%s, is refused at its field', (_, text, expected) => {
    expect(problems(text)).toEqual([expect.stringContaining(expected)]);
  });
});

describe('every error names its line and field', () => {
  test.each<[string, string, string, string]>([
    [
      'an unknown format',
      'format: n8n\n',
      'format: n9n\n',
      '14: phases[0].targets[0].fields[0].format: unknown format: n9n',
    ],
    ['an unknown field', 'title: Shop', 'title: Shop\ntilte: Shop', '3: tilte: unknown field'],
    ['a missing field', 'title: Shop\n', '', '1: title: missing, expected string'],
    [
      'a wrong choice',
      'form: text',
      'form: utf8',
      '4: key.form: expected one of "text"|"base64"|"base64url"|"hex"',
    ],
    [
      'a wrong document',
      'format: n8n\n',
      'format: n8n\n            document: blob\n',
      '15: phases[0].targets[0].fields[0].document: expected',
    ],
    [
      'a wrong path',
      'format: n8n\n',
      'format: n8n\n            document: { json: [secret] }\n',
      '15: phases[0].targets[0].fields[0].document.json[0]: a path such as',
    ],
    [
      'a condition that is not text',
      'format: n8n\n',
      'format: n8n\n            when: { kind: 3 }\n',
      '15: phases[0].targets[0].fields[0].when.kind: expected string',
    ],
    [
      'an empty condition',
      'format: n8n\n',
      'format: n8n\n            when: {}\n',
      '15: phases[0].targets[0].fields[0].when: names no column',
    ],
    [
      'a * inside a name',
      'column: iban\n',
      'column: i*n\n',
      '13: phases[0].targets[0].fields[0].column: * is allowed only at the end',
    ],
    [
      'a field that never applies',
      'format: n8n\n',
      'format: n8n\n          - { column: iban, format: n8n }\n',
      '15: phases[0].targets[0].fields[1].column: an earlier field already applies to every row of iban',
    ],
    [
      'the master key before the last phase',
      'format: n8n\n',
      'format: n8n\n            becomes: primary\n',
      '15: phases[0].targets[0].fields[0].becomes: a field that contains the master key must be in the last phase',
    ],
    [
      'replace without becomes',
      'format: n8n\n',
      'format: n8n\n            foreign: replace\n',
      '15: phases[0].targets[0].fields[0].foreign: replace requires becomes',
    ],
    [
      'a table declared twice',
      'table: vault',
      'table: customers',
      '17: phases[1].targets[0].table: table customers is declared twice',
    ],
    [
      'a phase declared twice',
      'name: keys',
      'name: values',
      '15: phases[1].name: phase values is declared twice',
    ],
    [
      'a source key in an early phase',
      'canary:',
      'sourceKeys: [{ name: a, table: customers, where: { k: v }, column: iban, format: n8n }]\ncanary:',
      '6: sourceKeys[0].table: customers contains keys',
    ],
    [
      'an exclusion of a field',
      'canary:',
      'exclude: [{ table: customers, column: iban, reason: none }]\ncanary:',
      '6: exclude[0]: customers.iban is also declared as a field',
    ],
    [
      'an unknown derivation',
      'canary:',
      'derived: [{ secret: n9n, setting: A, unless: { table: t, where: { k: v } } }]\ncanary:',
      '6: derived[0].secret: unknown derived secret',
    ],
    [
      'an unknown placeholder',
      'canary:',
      'afterwards: ["copy {newKey}"]\ncanary:',
      '6: afterwards[0]: unknown placeholder: {newKey}',
    ],
    ['a generated key of another form', 'form: text', 'form: hex', '5: key.generate.as: must be hex'],
    [
      'a length of a text key',
      'form: text',
      'form: text\n  bytes: [32]',
      '5: key.bytes: only for a base64, base64url or hex key',
    ],
  ])('%s', (_what, from, to, expected) => {
    const found = problems(edited(from, to));
    expect(found).toHaveLength(1);
    expect(found[0]?.startsWith(expected)).toBe(true);
  });

  test('an error in a block is reported at the line of its name', () => {
    expect(problems(edited('title: Shop', 'title: Shop\ntitles:\n  en: Shop'))).toEqual([
      '3: titles: unknown field',
    ]);
  });

  test('of two alternatives, the one that the author meant is reported', () => {
    const text = edited('format: n8n\n', 'format: n8n\n            document: { jsn: any }\n');
    expect(problems(text)).toEqual([
      expect.stringMatching(/^15: phases\[0\]\.targets\[0\]\.fields\[0\]\.document\.json: .*array.*"any"/),
      '15: phases[0].targets[0].fields[0].document.jsn: unknown field',
    ]);
  });

  test('a duplicate name in the YAML is reported', () => {
    expect(problems(edited('title: Shop', 'title: Shop\ntitle: Other'))[0]).toMatch(
      /^3: map keys must be unique/,
    );
  });

  test('broken YAML is reported', () => {
    expect(problems(edited('bytes: 24, as', 'bytes: [24, as'))[0]).toMatch(/^[56]: /);
  });

  test('an unresolved YAML tag is reported', () => {
    expect(problems(edited('title: Shop', 'title: !secret Shop'))[0]).toMatch(/^2: unresolved tag/);
  });

  test('all problems are reported at once', () => {
    const text = edited('title: Shop\n', '').replace('column: iban\n', 'colunm: iban\n');
    expect(problems(text)).toEqual([
      '1: title: missing, expected string',
      '12: phases[0].targets[0].fields[0].column: missing, expected string',
      '12: phases[0].targets[0].fields[0].colunm: unknown field',
    ]);
  });

  test('an empty file is reported', () => {
    expect(problems('')[0]).toMatch(/^1: /);
  });
});
