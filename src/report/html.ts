import { createHash } from 'node:crypto';
import { contentsOf } from './contents.ts';
import type { Block } from './layout.ts';
import { escaped } from './markup.ts';
import type { Report } from './report.ts';
import { timelineSvg } from './timeline-svg.ts';

const style = `
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #59636e; --paper: #fff; --line: #d1d9e0; --ok: #1a7f37; --bad: #cf222e; --maybe: #9a6700; --rotated: #0969da; --verified: #8250df; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9198a1; --paper: #0d1117; --line: #3d444d; --ok: #3fb950; --bad: #f85149; --maybe: #d29922; --rotated: #4493f8; --verified: #ab7df8; } }
@media print { :root { --ink: #000; --dim: #333; --paper: #fff; --line: #999; } section { break-inside: avoid-page; } .scroll { overflow: visible; } }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0 0 .5rem; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; padding-bottom: .2rem; border-bottom: 1px solid var(--line); }
p { margin: .3rem 0; }
time, dt, figcaption { color: var(--dim); }
.verdict { font-weight: 600; padding: .6rem .8rem; border-left: .3rem solid var(--maybe); }
.verdict.ok { border-color: var(--ok); }
.verdict.bad { border-color: var(--bad); }
dl { display: grid; grid-template-columns: minmax(5rem, max-content) 1fr; gap: .15rem 1rem; margin: .3rem 0; }
dd { margin: 0; }
ul { margin: .3rem 0; padding-left: 1.2rem; }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); white-space: nowrap; }
.numbers td:last-child { white-space: normal; }
.right th:not(:first-child), .right td:not(:first-child), .numbers td:first-child { text-align: right; }
figure { margin: 1rem 0; }
svg { display: block; width: 100%; height: auto; }
.rotated { fill: var(--rotated); } .verified { fill: var(--verified); } .pause { fill: var(--line); } .axis { stroke: var(--line); }
`;

/** A policy that allows nothing but the style of the page itself: no script, no request. */
const policy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'`;

/** The report as one page that needs nothing else, for a browser and for print. */
export function reportHtml(report: Report): string {
  const { title, verdict, summary, sections } = contentsOf(report);
  const name = `${sentenceCase(title)}: ${report.run.id}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(name)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${escaped(name)}</h1>
<p class="verdict ${classOf(report)}">${escaped(verdict)}</p>
${blocksHtml(summary)}
</header>
<main>
${timelineSvg(report)}${sections.map(({ heading, body }) => `<section>\n<h2>${escaped(sentenceCase(heading))}</h2>\n${blocksHtml(body)}\n</section>`).join('\n')}
</main>
</body>
</html>
`;
}

function classOf({ verdict: { result } }: Report): string {
  if (result === 'verified' || result === 'rehearsed') return 'ok';
  return result === 'verification-failed' || result === 'does-not-reconcile' ? 'bad' : 'maybe';
}

/** Headings of the text are in capitals. */
function sentenceCase(heading: string): string {
  return (heading.charAt(0) + heading.slice(1).toLowerCase()).replace('(utc)', '(UTC)');
}

function blocksHtml(blocks: readonly Block[]): string {
  const parts: string[] = [];
  for (let i = 0; i < blocks.length; i++) {
    const block = blocks[i] as Block;
    if (block.kind !== 'fact') {
      parts.push(blockHtml(block));
      continue;
    }
    const facts: string[] = [];
    for (let fact = blocks[i]; fact?.kind === 'fact'; fact = blocks[++i])
      facts.push(`<dt>${escaped(fact.label)}</dt><dd>${escaped(fact.value)}</dd>`);
    i--;
    parts.push(`<dl>${facts.join('')}</dl>`);
  }
  return parts.filter((part) => part !== '').join('\n');
}

function blockHtml(block: Exclude<Block, { readonly kind: 'fact' }>): string {
  switch (block.kind) {
    case 'text':
      return `<p>${block.first === '' ? '' : `<time>${escaped(block.first.trim())}</time> `}${escaped(block.text)}</p>`;
    case 'list':
      return `<ul>${block.items.map((item) => `<li>${escaped(item)}</li>`).join('')}</ul>`;
    case 'numbers':
      return `<table class="numbers">${block.rows.map(rowHtml).join('')}</table>`;
    case 'table':
      return `<div class="scroll"><table class="${block.align}"><thead>${rowHtml(block.heads, 'th')}</thead><tbody>${block.rows.map((row) => rowHtml(row)).join('')}</tbody></table></div>`;
    default:
      return '';
  }
}

function rowHtml(cells: readonly string[], cell: unknown = 'td'): string {
  const name = cell === 'th' ? 'th' : 'td';
  return `<tr>${cells.map((text) => `<${name}>${escaped(text)}</${name}>`).join('')}</tr>`;
}
