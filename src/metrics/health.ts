/** The health of a process, for a supervisor. */
export interface Health {
  /** False: restart the process. */
  readonly healthy: boolean;
  /** Details for people and tools: plain data without secrets. */
  readonly document: Readonly<Record<string, string | number | boolean | null>>;
}
