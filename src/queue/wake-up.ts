/** A bell that remembers: if it rings while nobody waits, the next wait ends at once. */
export class WakeUp {
  #rung = false;
  readonly #sleepers = new Set<() => void>();

  ring(): void {
    this.#rung = this.#sleepers.size === 0;
    for (const wake of this.#sleepers) wake();
  }

  /** Resolves when it has rung since the last call, or after `ms`. */
  async heard(ms: number): Promise<void> {
    if (this.#rung) {
      this.#rung = false;
      return;
    }
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#sleepers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#sleepers.add(wake);
    });
  }
}
