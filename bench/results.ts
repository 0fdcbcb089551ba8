import type { Took } from './keyturn.ts';

export type Measured = Took & { readonly serverSeconds: number | null; readonly logBytes: number | null };

interface Setting {
  readonly engine: string;
  readonly node: string;
  readonly machine: string;
  readonly date: string;
  readonly format: string;
  readonly rows: number;
  readonly valueBytes: number;
  readonly rounds: number;
}

/** Medians of all rounds. Seconds, bytes, and CPU seconds per million rows. */
export interface Result {
  readonly name: string;
  readonly rotate: number;
  readonly verify: number | null;
  readonly total: number | null;
  readonly cpuPerMillion: number | null;
  readonly serverCpuPerMillion: number | null;
  readonly peakBytes: number | null;
  readonly logBytesPerRow: number | null;
}

export interface Results extends Setting {
  readonly results: readonly Result[];
}

export function resultsOf(all: ReadonlyMap<string, readonly Measured[]>, setting: Setting): Results {
  const { rows } = setting;
  const results = [...all].map(([name, rounds]): Result => {
    const of = (pick: (took: Measured) => number | null | undefined): number | null =>
      median(rounds.map(pick).filter((each) => each != null));
    const perRow = (value: number | null): number | null => (value === null ? null : value / rows);
    const perMillion = (value: number | null): number | null =>
      value === null ? null : (value / rows) * 1e6;
    return {
      name,
      rotate: of(({ rotate }) => rotate) ?? 0,
      verify: of(({ verify }) => verify),
      total: of(({ total }) => total),
      cpuPerMillion: perMillion(of(({ cpuSeconds }) => cpuSeconds)),
      serverCpuPerMillion: perMillion(of(({ serverSeconds }) => serverSeconds)),
      peakBytes: of(({ peakBytes }) => peakBytes),
      logBytesPerRow: perRow(of(({ logBytes }) => logBytes)),
    };
  });
  return { ...setting, results };
}

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}

/** A Markdown table, with the ratios to the first contender. */
export function tableOf({ results, ...of }: Results): string {
  const floor = results[0]?.rotate ?? 0;
  const ratio = (seconds: number | null): string =>
    seconds === null ? '' : `${seconds.toFixed(2)} s (${(seconds / floor).toFixed(2)})`;
  const rate = (seconds: number): string => Math.round(of.rows / seconds).toLocaleString('en');
  const number = (value: number | null, digits: number): string =>
    value === null ? '' : value.toFixed(digits);
  return [
    `${of.rows.toLocaleString('en')} values of ${of.valueBytes} bytes, format ${of.format}; ${of.engine}, Node ${of.node}, ${of.machine}; ${of.date}; medians of ${of.rounds} rounds. In brackets: compared with the first line.`,
    '',
    '| | rotation | rows/s | verification | whole command | CPU s per million rows, client | server | peak memory | log bytes per row |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...results.map(
      ({ name, rotate, verify, total, cpuPerMillion, serverCpuPerMillion, peakBytes, logBytesPerRow }) =>
        [
          '',
          name,
          ratio(rotate),
          rate(rotate),
          ratio(verify),
          ratio(total),
          number(cpuPerMillion, 1),
          number(serverCpuPerMillion, 1),
          peakBytes === null ? '' : `${Math.round(peakBytes / 1e6)} MB`,
          number(logBytesPerRow, 0),
          '',
        ]
          .join(' | ')
          .trim(),
    ),
  ].join('\n');
}
