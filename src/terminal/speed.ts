const settleMs = 2_000;

/** Rows per second since the stage began, and the time left; null until they are known. */
export class Speed {
  #stage = '';
  #since = 0;
  #first = 0;

  measure(
    stage: string,
    done: number,
    total: number,
    now = performance.now(),
  ): { perSecond: number; secondsLeft: number } | null {
    if (stage !== this.#stage) {
      this.#stage = stage;
      this.#since = now;
      this.#first = done;
    }
    const ms = now - this.#since;
    const rows = done - this.#first;
    if (ms < settleMs || rows <= 0) return null;
    const perSecond = (rows * 1000) / ms;
    return { perSecond: Math.round(perSecond), secondsLeft: Math.ceil((total - done) / perSecond) };
  }
}

/** `48s`, `3m05s`, `2h10m`. */
export function duration(seconds: number): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${two(Math.floor((seconds % 3600) / 60))}m`;
}
