/** A figure of the server's load that a throttle can watch. */
export interface Gauge {
  readonly unit: 'seconds' | 'bytes';
  /** What it measures, for people. */
  readonly about: string;
  /** Null: the server does not tell this login. Rejects when the server cannot be asked. */
  read(): Promise<number | null>;
}

export type Gauges = Readonly<Record<string, Gauge>>;

/** What counts as yes in the answer to a user's own query, whatever the engine's booleans look like. */
export function saysYes(value: unknown): boolean {
  return value === true || value === 't' || value === 'true' || (value !== '' && Number(value ?? 0) > 0);
}
