import { describe, expect, test } from '@jest/globals';
import { edited, ShopFile, valid } from './shop.ts';

const shop = new ShopFile();

test('a field can describe AES-GCM, with defaults', () => {
  const text = edited(
    'format: n8n\n',
    'format: { aes-gcm: { layout: [nonce 12, ciphertext, tag 16], key: sha256 } }\n',
  );
  expect(shop.load(text).file.phases[0]?.targets[0]?.fields[0]?.format).toEqual({
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
    const found = shop.problems(edited('format: n8n\n', `format: { aes-gcm: ${layout} }\n`));
    expect(found).toEqual([expect.stringContaining(`${at}${expected}`)]);
  });

  test('aes-gcm without a description', () => {
    expect(shop.problems(edited('format: n8n\n', 'format: aes-gcm\n'))).toEqual([
      '14: phases[0].targets[0].fields[0].format: aes-gcm needs its layout: { aes-gcm: { layout: [nonce 12, ciphertext, tag 16] } }',
    ]);
  });

  test('another cipher', () => {
    expect(shop.problems(edited('format: n8n\n', 'format: { aes-cbc: {} }\n'))).toEqual([
      expect.stringMatching(/format\.aes-cbc: unknown, expected aes-gcm, described or a name/),
    ]);
  });

  test('a key that the cipher does not accept', () => {
    const all = 'format: { aes-gcm: { layout: [nonce 12, ciphertext, tag 16] } }\n';
    const raw = edited('format: n8n\n', all);
    expect(shop.problems(raw)).toEqual([
      '4: key.form: must be base64, base64url or hex: aes-gcm needs a raw key',
    ]);
    const base64 = raw.replace('form: text', 'form: base64');
    expect(shop.problems(base64)).toEqual([
      '3: key.bytes: must be 16 or 24 or 32: aes-gcm accepts no other length',
    ]);
    expect(shop.problems(base64.replace('form: base64', 'form: base64\n  bytes: [24, 20]'))).toEqual([
      '5: key.bytes: must be 16 or 24 or 32: aes-gcm accepts no other length',
    ]);
    expect(
      shop.load(base64.replace('form: base64', 'form: base64\n  bytes: [24, 32]')).file.key.bytes,
    ).toEqual([24, 32]);
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
      shop.load(edited('format: n8n\n', 'format: n8n\n            lines: 60\n            trim: true\n')).file
        .phases[0]?.targets[0]?.fields ?? [];
    expect(field).toMatchObject({ lines: 60, trim: true });
    for (const encoding of ['base64', 'base64url', 'hex'])
      expect(shop.load(described('document: within', 'enc:', encoding)).file.job).toBe('shop');
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
    expect(shop.problems(text)).toEqual([expect.stringContaining(expected)]);
  });
});

describe('files outside the database', () => {
  const withFiles = (files: string): string => `${valid}files: ${files}\n`;

  test('may be text with values of any format for text', () => {
    expect(
      shop.load(withFiles('{ format: n8n, document: { json: nested }, names: [a.json] }')).file.files,
    ).toEqual({
      ...{
        format: 'n8n',
        document: { json: 'nested' },
        plaintext: 'any',
        foreign: 'exception',
        closed: 'exception',
      },
      ...{ folders: [], names: ['a.json'], optional: false },
    });
  });

  test.each([
    [
      'a format for whole files does not look into them',
      '{ format: octopus-stream, document: { json: any } }',
      'files.document: cannot be used with octopus-stream: the whole file is encrypted',
    ],
    ['a gzip is not text', '{ format: n8n, document: gzip }', 'files.format: must be a format for text'],
    [
      'the name of a file is not a path',
      '{ format: n8n, names: [a/b] }',
      'files.names[0]: the name of a file',
    ],
  ])('are refused where %s', (_, files, expected) => {
    expect(shop.problems(withFiles(files)).join('\n')).toContain(expected);
  });
});
