import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { KeyturnError } from '../error.ts';
import type { Key } from '../keys/key.ts';

type Part = string | number | Buffer | null;

/**
 * Authenticates the records that the proof of a run depends on, so that edits of the checkpoint tables are detected:
 * HMAC-SHA256 (RFC 2104), with a key derived by HKDF-SHA256 (RFC 5869) from the new key and the run id. Each message begins
 * with its kind, and every part has its length, so that no two messages have the same bytes.
 */
export class CheckpointMac {
  readonly run: string;
  readonly #key: Buffer;

  constructor(newKey: Key, run: string) {
    this.run = run;
    this.#key = Buffer.from(hkdfSync('sha256', newKey.bytes, run, 'keyturn/checkpoint-mac/v1', 32));
  }

  /** 64 hex digits. */
  of(what: 'run' | 'plan' | 'chunk' | 'digests' | 'rotated' | 'verified', parts: readonly Part[]): string {
    return createHmac('sha256', this.#key)
      .update(encode([what, this.run, ...parts]))
      .digest('hex');
  }

  matches(mac: string | null, ...message: Parameters<CheckpointMac['of']>): boolean {
    if (mac === null) return false;
    const expected = Buffer.from(this.of(...message));
    const found = Buffer.from(mac);
    return found.length === expected.length && timingSafeEqual(found, expected);
  }
}

/** SHA-256 of the columns of a row as they are stored, in hex. */
export function contentHash(parts: readonly Part[]): string {
  return createHash('sha256').update(encode(parts)).digest('hex');
}

function encode(parts: readonly Part[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.isBuffer(part) ? part : Buffer.from(part === null ? '' : String(part));
      const head = Buffer.alloc(5);
      head.writeUInt32LE(bytes.length);
      head[4] = part === null ? 0 : 1;
      return [head, bytes];
    }),
  );
}

/** @param what was changed, for people: `chunk 7 of users` */
export function altered(run: string, what: string): KeyturnError {
  return alteredAs(run, `the records of run ${run} were changed by something other than keyturn: ${what}`);
}

/** The same, with the message that a worker stored. */
export function alteredAs(run: string, message: string): KeyturnError {
  return new KeyturnError('checkpoint-altered', message, {
    hint: 'restore the keyturn tables together with the data from one backup, or the whole database, and rotate again',
    facts: { run },
  });
}
