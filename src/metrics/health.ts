/** Whether a process is fit, for a supervisor. */
export interface Health {
  /** False: start it again. */
  readonly healthy: boolean;
  /** Facts for people and tools: plain data, no secret. */
  readonly document: Readonly<Record<string, string | number | boolean | null>>;
}
