/** A figure of the server's load that a throttle can watch. */
export interface Gauge {
  readonly unit: 'seconds' | 'bytes';
  /** Null: this login may not see it. Rejects when the query fails. */
  read(): Promise<number | null>;
}

export type Gauges = Readonly<Record<string, Gauge>>;

/** Whether a value of a user's own query means yes; engines have different booleans. */
export function saysYes(value: unknown): boolean {
  return value === true || value === 't' || value === 'true' || (value !== '' && Number(value ?? 0) > 0);
}
