import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { reportHtml } from '../../src/report/html.ts';
import { buildReport, type Report } from '../../src/report/report.ts';
import { reportText } from '../../src/report/text.ts';
import { damaged, type RecordedRun, runWithExceptions } from './recorded-run.ts';

let recorded: RecordedRun;
let report: Report;
beforeAll(async () => {
  recorded = await runWithExceptions([damaged(['7']), damaged(['8'], '.a[0]')]);
  report = await buildReport(recorded.database.knex, recorded.run.id, true);
});
afterAll(() => recorded.close());

const bare = (html: string): string =>
  html
    .replace(/<style>.*?<\/style>|<title>.*?<\/title>|<figure>.*?<\/figure>/gs, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/&(amp|lt|gt|quot);/g, (_, name) => ({ amp: '&', lt: '<', gt: '>', quot: '"' })[name as 'amp']);
const words = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

test('the page has the words of the text, in the same order', () => {
  expect(
    words(bare(reportHtml(report)).replace(/^.*?Rotate master key report: \S+/s, 'rotate master key report')),
  ).toEqual(words(reportText(report)));
});

test('the page allows nothing but its own style', () => {
  const html = reportHtml(report);
  const [, style = ''] = /<style>(.*?)<\/style>/s.exec(html) ?? [];
  const [, policy = ''] = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html) ?? [];
  const digest = createHash('sha256').update(style).digest('base64');
  expect(policy.split('; ')).toEqual([
    "default-src 'none'",
    `style-src 'sha256-${digest}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ]);
  expect(html).not.toMatch(/<script|<link|<img|<iframe|\son\w+=|\sstyle=|\shref=|\ssrc=|url\(|@import/i);
});

test('text from the database is never markup', () => {
  const evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u0007&amp;';
  const changed = {
    ...report,
    database: evil,
    authority: { ...report.authority, operator: evil, reason: evil },
    exceptions: {
      count: 1,
      listed: [{ table: evil, rowId: [evil], field: evil, path: evil, reason: 'nested' as const, at: '' }],
    },
    history: [{ seq: 1, at: '2026-01-05T03:04:05.000Z', event: evil, detail: { [evil]: evil } }],
    targets: report.targets.map((target) => ({ ...target, target: evil })),
    survival: [evil],
  };
  const html = reportHtml(changed as Report);
  expect(html).not.toMatch(/<script|<img/i);
  expect(html).toContain(
    '&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;\\u{7}&amp;amp;',
  );
});

test('the chart shows each period in which rows were committed, and the pauses', () => {
  const timeline = {
    ...{ from: '2026-01-05T03:00:00.000Z', to: '2026-01-05T03:00:03.999Z', periodMs: 1000 },
    ...{ rotated: [500, 0, 1000, 0], verified: [0, 0, 0, 1500] },
  };
  const pauses = [{ from: '2026-01-05T03:00:01.000Z', to: '2026-01-05T03:00:02.000Z', why: 'stopped' }];
  const html = reportHtml({ ...report, timeline, times: { ...report.times, pauses } });
  expect(html.match(/<rect class="rotated"/g)).toHaveLength(2);
  expect(html.match(/<rect class="verified"/g)).toHaveLength(1);
  expect(html.match(/<rect class="pause" x="242.0" y="2" width="238.0"/g)).toHaveLength(1);
  expect(html).toContain('1,500 rows/s');
  expect(reportHtml({ ...report, timeline: null })).not.toContain('<svg');
});
