/** A run ended early. The cause is the error to print. */
export class RunFailure extends Error {
  /** For --json, printed together with the error. */
  readonly document: object;

  constructor(document: object, options: { readonly cause: unknown }) {
    super('the run ended early', options);
    this.document = document;
  }
}
