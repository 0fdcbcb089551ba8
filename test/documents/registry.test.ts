import { expect, test } from '@jest/globals';
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
