import { describe, expect, test } from '@jest/globals';
import { leavesOf } from './leaves.ts';

describe('the scanner', () => {
  test('finds the position of every string, in JSON inside strings too', () => {
    const inner = JSON.stringify({ c: 'x"y', d: JSON.stringify(['é/\\']) });
    const text = ` { "a.b/c" : [ 1e5 , "p\\u002Bq" ] , "n" : ${JSON.stringify(inner)}, "n":"2", "e":{}, "f":[] } `;
    const leaves = leavesOf(text);
    const found = [...leaves].map(([path, { value, start, end }]) => [path, value, text.slice(start, end)]);
    expect(found).toEqual([
      ['/a.b~1c/1', 'p+q', '"p\\u002Bq"'],
      ['/n', inner, JSON.stringify(inner)],
      ['/n>/c', 'x"y', '\\"x\\\\\\"y\\"'],
      ['/n>/d', '["é/\\\\"]', JSON.stringify(JSON.stringify(JSON.stringify(['é/\\']))).slice(1, -1)],
      ['/n>/d>/0', 'é/\\', expect.stringContaining('é/')],
      ['/n#2', '2', '"2"'],
    ]);
  });
});
