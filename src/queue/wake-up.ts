/** A bell that remembers: rung while nobody waits, it wakes the next one who does. */
export class WakeUp {
  #rung = false;
  readonly #sleepers = new Set<() => void>();

  ring(): void {
    this.#rung = this.#sleepers.size === 0;
    for (const wake of this.#sleepers) wake();
  }

  /** Resolves when it rang since the last call, or after `ms`. */
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
