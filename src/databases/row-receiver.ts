/**
 * Passes on rows as a driver delivers them. An error of `each` must not reach the driver: it is thrown at the
 * end, when the connection is free again.
 */
export class RowReceiver<T> {
  readonly #each: (row: T) => void;
  #failed: { readonly error: unknown } | null = null;

  constructor(each: (row: T) => void) {
    this.#each = each;
  }

  add(row: T): void {
    if (this.#failed !== null) return;
    try {
      this.#each(row);
    } catch (error) {
      this.#failed = { error };
    }
  }

  end(): void {
    if (this.#failed !== null) throw this.#failed.error;
  }
}
