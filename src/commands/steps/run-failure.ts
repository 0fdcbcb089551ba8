/** A run ended early: why, and what the commands say about it beside the error. */
export class RunFailure extends Error {
  /** For --json, merged with the error. */
  readonly document: object;

  constructor(document: object, options: { readonly cause: unknown }) {
    super('the run ended early', options);
    this.document = document;
  }
}
