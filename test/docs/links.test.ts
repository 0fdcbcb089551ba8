import { expect, test } from '@jest/globals';
import { commandsFor } from '../../src/commands/registry.ts';
import { anchorsOf, exists, filesIn, linksOf, pages, proseOf, resolved, textOf } from './pages.ts';

/** What a page promises a reader to find is there. */

test.each(pages)('every link in %s leads to a file and to a heading', (page) => {
  const broken = linksOf(page).filter((link) => {
    const { path, anchor } = resolved(link);
    return !exists(path) || (anchor !== null && !anchorsOf(path).has(anchor));
  });
  expect(broken.map(({ target }) => target)).toEqual([]);
});

test.each(['docs/architecture.md', 'CONTRIBUTING.md'])('every file that %s names exists', (page) => {
  const named = [...textOf(page).matchAll(/`((?:[\w.-]+\/)+(?:[\w-]+\.\w+)?)`/g)].map(
    ([, path = '']) => path,
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((path) => !exists(path) && !exists(`src/${path}`))).toEqual([]);
});

test('every function that docs/architecture.md names beside a file is in that file', () => {
  const named = [
    ...textOf('docs/architecture.md').matchAll(/`(src\/[\w./-]+\.ts)`,? \(?(?:the table )?`(#?\w+)`/g),
  ];
  expect(named.length).toBeGreaterThan(10);
  expect(
    named.filter(([, path = '', name = '']) => !new RegExp(`(?<![\\w#])${name}\\b`).test(textOf(path))),
  ).toEqual([]);
});

test('every folder and file at the top of src is in docs/architecture.md', () => {
  const names = new Set(
    filesIn('src').map((path) =>
      path.replace(/^src\/([^/]+)(\/)?.*$/, (_, name, slash) => name + (slash ?? '')),
    ),
  );
  expect(names.size).toBeGreaterThan(15);
  const text = textOf('docs/architecture.md');
  expect([...names].filter((name) => !new RegExp(`\`(src/)?${name}\``).test(text))).toEqual([]);
});

/** Comments that cite: `invariant 9`, `invariants 8 and 12`. */
const citations = /invariants? (\d+)(?: and (\d+))?/g;

const sources = ['src', 'test', 'scripts', 'bench', '.github'].flatMap(filesIn);

test('every invariant that a source cites is in docs/architecture.md', () => {
  const anchors = anchorsOf('docs/architecture.md');
  const cited = new Set(
    sources
      .filter((path) => path.startsWith('src/'))
      .flatMap((path) => [...textOf(path).matchAll(citations)])
      .flatMap(([, first, second]) => [first, second])
      .filter((number) => number !== undefined),
  );
  expect([...cited].filter((number) => !anchors.has(`invariant-${number}`))).toEqual([]);
});

test('every page that a source cites exists', () => {
  const cited = [...sources, 'biome.json'].flatMap((path) =>
    [...textOf(path).matchAll(/(?<![\w./-])((?:[\w-]+\/)*[\w-]+\.md)\b/g)].map(([, page = '']) => ({
      path,
      page,
    })),
  );
  const missing = cited.filter(({ page }) => !exists(page) && !['README.md'].includes(page));
  expect(missing).toEqual([]);
});

test('README lists every command', async () => {
  const listed = [...proseOf('README.md').matchAll(/^\| `.*?\|/gm)].flatMap(([cell]) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
  );
  const names = (await commandsFor()).map(({ words: [name] }) => name);
  expect(names.filter((name) => !listed.includes(name))).toEqual([]);
});
