import { thousands } from './count.ts';
import { escaped } from './markup.ts';
import type { Report } from './report.ts';
import { moment, span } from './time.ts';

const width = 960;
const height = 120;
const left = 4;
const bottom = 2;
const top = 2;

/** Throughput over time, with the pauses; empty for a run without chunks. */
export function timelineSvg({ timeline, times: { pauses } }: Report): string {
  if (timeline === null) return '';
  const { from, to, periodMs, rotated, verified } = timeline;
  const most = Math.max(1, ...rotated, ...verified);
  const bar = (width - 2 * left) / rotated.length;
  const floor = height - bottom;
  const bars = (values: readonly number[], name: string): string =>
    values
      .map((rows, i) => {
        if (rows === 0) return '';
        const tall = (rows / most) * (floor - top);
        return `<rect class="${name}" x="${fixed(left + i * bar)}" y="${fixed(floor - tall)}" width="${fixed(Math.max(1, bar - 0.5))}" height="${fixed(tall)}"/>`;
      })
      .join('');
  const start = Date.parse(from);
  const scale = (width - 2 * left) / Math.max(1, rotated.length * periodMs);
  const x = (at: string | null, otherwise: number): number =>
    at === null ? otherwise : Math.min(width - left, Math.max(left, left + (Date.parse(at) - start) * scale));
  const gaps = pauses
    .map(({ from: since, to: until }) => [x(since, x(until, left)), x(until, width - left)] as const)
    .map(
      ([a, b]) =>
        `<rect class="pause" x="${fixed(a)}" y="${top}" width="${fixed(Math.max(1, b - a))}" height="${floor - top}"/>`,
    )
    .join('');
  const speed = `${thousands(Math.round((most * 1000) / periodMs))} rows/s`;
  const about = `Rows per second from ${moment(from)} to ${moment(to)} UTC, in periods of ${span(Math.max(1, Math.round(periodMs / 1000)))}`;
  return `<figure>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(about)}">${gaps}${bars(rotated, 'rotated')}${bars(verified, 'verified')}<line class="axis" x1="${left}" y1="${floor}" x2="${width - left}" y2="${floor}"/></svg>
<figcaption>${escaped(about)}, at most ${escaped(speed)}: rotated in blue, verified in violet, pauses in grey.</figcaption>
</figure>
`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}
