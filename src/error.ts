/**
 * What keyturn says when it cannot continue. One class; the stable `code` tells the kinds apart.
 * A message never holds a key, a plaintext or a ciphertext (invariant 9).
 */

/** Exit code per error code: 2 refused, nothing changed · 3 incomplete, resumable · 4 locked · 5 verification failed. */
const exitCodes = {
  'bad-option': 2,
  'missing-consent': 2,
  'no-current-key': 2,
  'wrong-current-key': 2,
  'wrong-format': 2,
  'same-key': 2,
  'key-file-missing': 2,
  'key-file-unreadable': 2,
  'key-file-empty': 2,
  'key-file-differs': 2,
  'key-file-unwritten': 2,
  'key-command-failed': 2,
  'derived-secrets-missing': 2,
  'key-shape': 2,
  'key-retired': 2,
  'other-keys': 2,
  'other-host': 2,
  'source-key': 2,
  'data-key-unknown': 2,
  'data-key-in-use': 2,
  'config-unreadable': 2,
  'config-unwritten': 2,
  'instance-unknown': 2,
  'database-missing': 2,
  'database-locked': 2,
  'database-linked': 2,
  'database-read-only': 2,
  'database-unreachable': 2,
  'database-url': 2,
  'queue-url': 2,
  'queue-unreachable': 2,
  'wrong-application': 2,
  'schema-changed': 2,
  'no-row-id': 2,
  'no-values': 2,
  'no-grant': 2,
  'no-transactions': 2,
  'table-unsupported': 2,
  'column-too-narrow': 2,
  'undeclared-ciphertext': 2,
  'undecided-place': 2,
  'equal-ciphertexts': 2,
  'still-connected': 2,
  'attachments-missing': 2,
  'attachments-backup': 2,
  'job-unknown': 2,
  'job-invalid': 2,
  'checkpoint-version': 2,
  'run-unfinished': 2,
  'run-unknown': 2,
  'run-state': 2,
  'rollback-unsupported': 2,
  stopped: 3,
  exceptions: 3,
  'report-unwritten': 3,
  'window-closed': 3,
  cancelled: 3,
  'chunk-failed': 3,
  'row-too-large': 3,
  'database-lost': 3,
  'table-locked': 3,
  'database-full': 3,
  'chunk-timeout': 3,
  'attachments-unseen': 3,
  'late-rows': 3,
  'late-places': 3,
  'worker-wedged': 3,
  'mixed-keys': 3,
  'rows-deleted': 3,
  'run-lock': 4,
  'verification-failed': 5,
  'checkpoint-altered': 5,
  'report-altered': 5,
} as const satisfies Record<string, 1 | 2 | 3 | 4 | 5>;

export type ErrorCode = keyof typeof exitCodes;

export interface ErrorDetail {
  /** What the user should do next: lower case, no full stop. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Structured facts: target, row id, key id, path… Safe to log. */
  readonly facts?: Readonly<Record<string, string | number>>;
}

export class KeyturnError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly facts: Readonly<Record<string, string | number>>;

  /** @param message what is wrong, in the user's words: lower case, no full stop. */
  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'KeyturnError';
    this.code = code;
    this.hint = detail.hint;
    this.facts = detail.facts ?? {};
  }

  get exitCode(): 1 | 2 | 3 | 4 | 5 {
    return exitCodes[this.code];
  }
}

/** The message of any error, safe to print: a driver may quote a value, so long strings without a blank are removed. */
export function safeMessage(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.replace(/[A-Za-z0-9+/=_-]{24,}/g, '…');
}
