import { expect, test } from '@jest/globals';
import { MalformedDocument } from '../../src/documents/document.ts';
import { documentOf } from '../../src/documents/registry.ts';
import { text } from '../../src/documents/text.ts';

test('text is one leaf with any content, and an edit replaces all of it', () => {
  for (const value of ['', 'a,b', '{"a":"b"}', ' \n']) {
    expect(text.leaves(value)).toEqual([{ path: '', text: value, start: 0, end: value.length }]);
    expect([...text.read(value)]).toEqual([{ path: '', text: value }]);
    expect(
      text.edit(
        value,
        text.leaves(value).map((leaf) => ({ leaf, text: '"new",\n' })),
      ),
    ).toBe('"new",\n');
  }
});

test('a declaration gives its document', () => {
  const value = '{"a":"1","b":"2,3"}';
  const texts = (document: Parameters<typeof documentOf>[0]['document']) =>
    documentOf({ document }, undefined)
      .leaves(value)
      .map((leaf) => leaf.text);
  expect(texts('text')).toEqual([value]);
  expect(texts('list')).toEqual(['{"a":"1"', '"b":"2', '3"}']);
  expect(texts({ json: 'any' })).toEqual(['1', '2,3']);
  expect(texts({ json: ['.b'] })).toEqual(['2,3']);
});

test('nested JSON is also the strings of JSON inside strings, and other text is malformed', () => {
  const nested = documentOf({ document: { json: 'nested' } }, undefined);
  const value = JSON.stringify({ a: 'x', data: JSON.stringify(['x', { deep: 'a "quoted" é' }]) });
  const leaves = nested.leaves(value);
  expect(leaves.map(({ path, text }) => [path, text])).toEqual([
    ['.a', 'x'],
    ['.data#[0]', 'x'],
    ['.data#[1].deep', 'a "quoted" é'],
  ]);
  expect([...nested.read(value)]).toEqual(leaves.map(({ path, text }) => ({ path, text })));
  const edits = leaves.filter(({ text }) => text !== 'x').map((leaf) => ({ leaf, text: 'n\\"' }));
  const edited = JSON.parse(nested.edit(value, edits));
  expect([edited.a, JSON.parse(edited.data)]).toEqual(['x', ['x', { deep: 'n\\"' }]]);
  for (const other of ['text', '{"a":"x"', ''])
    for (const parse of [nested.leaves, nested.read])
      expect(() => [...parse(other)]).toThrow(MalformedDocument);
});
