import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { builtInJobs, loadJob } from '../../src/job/load.ts';
import { edited, formats, refusal, ShopFile, valid } from './shop.ts';

const shop = new ShopFile();

test('a job file is loaded by its path, with its defaults and the digest of its bytes', () => {
  const loaded = shop.load(valid);
  expect(loaded.path).toBe(shop.path);
  expect(loaded.hash).toBe(createHash('sha256').update(readFileSync(shop.path)).digest('hex'));
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
  mkdirSync(join(shop.folder, 'jobs'), { recursive: true });
  expect(refusal(() => loadJob(join(shop.folder, 'jobs'), formats)).code).toBe('job-unknown');
});

test('bytes that are not UTF-8 are refused', () => {
  expect(refusal(() => shop.load(Buffer.from([0x6a, 0xff, 0xfe]))).code).toBe('job-invalid');
});

test('aliases that stand for far more than is written are refused', () => {
  const tens = (name: string): string => `[${Array.from({ length: 10 }, () => name).join(', ')}]`;
  const bomb = `a: &a ${tens('x')}\nb: &b ${tens('*a')}\nc: &c ${tens('*b')}\njob: ${tens('*c')}\n`;
  const error = refusal(() => shop.load(Buffer.from(bomb)));
  expect(error.code).toBe('job-invalid');
  expect(error.message).toContain('too many YAML aliases');
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
      'a label that is a field itself',
      'format: n8n\n',
      "format: n8n\n            set: { column: iban, was: '1', to: '2' }\n",
      '15: phases[0].targets[0].fields[0].set: iban is also declared as a field',
    ],
    [
      'a label that selects the rows',
      'format: n8n\n',
      "format: n8n\n            when: { k: '1' }\n            set: { column: k, was: '1', to: '2' }\n",
      '16: phases[0].targets[0].fields[0].set: k is also in a `when`',
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
    const found = shop.problems(edited(from, to));
    expect(found).toHaveLength(1);
    expect(found[0]?.startsWith(expected)).toBe(true);
  });

  test('an error in a block is reported at the line of its name', () => {
    expect(shop.problems(edited('title: Shop', 'title: Shop\ntitles:\n  en: Shop'))).toEqual([
      '3: titles: unknown field',
    ]);
  });

  test('of two alternatives, the one that the author meant is reported', () => {
    const text = edited('format: n8n\n', 'format: n8n\n            document: { jsn: any }\n');
    expect(shop.problems(text)).toEqual([
      expect.stringMatching(/^15: phases\[0\]\.targets\[0\]\.fields\[0\]\.document\.json: .*array.*"any"/),
      '15: phases[0].targets[0].fields[0].document.jsn: unknown field',
    ]);
  });

  test('a duplicate name in the YAML is reported', () => {
    expect(shop.problems(edited('title: Shop', 'title: Shop\ntitle: Other'))[0]).toMatch(
      /^3: map keys must be unique/,
    );
  });

  test('broken YAML is reported', () => {
    expect(shop.problems(edited('bytes: 24, as', 'bytes: [24, as'))[0]).toMatch(/^[56]: /);
  });

  test('an unresolved YAML tag is reported', () => {
    expect(shop.problems(edited('title: Shop', 'title: !secret Shop'))[0]).toMatch(/^2: unresolved tag/);
  });

  test('all problems are reported at once', () => {
    const text = edited('title: Shop\n', '').replace('column: iban\n', 'colunm: iban\n');
    expect(shop.problems(text)).toEqual([
      '1: title: missing, expected string',
      '12: phases[0].targets[0].fields[0].column: missing, expected string',
      '12: phases[0].targets[0].fields[0].colunm: unknown field',
    ]);
  });

  test('an empty file is reported', () => {
    expect(shop.problems('')[0]).toMatch(/^1: /);
  });
});
