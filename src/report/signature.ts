import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { z } from 'zod';
import type { RunEvent } from '../checkpoint/run-table.ts';
import type { Report } from './report.ts';

/** What report.sig says of the other files. Plain data. */
export interface ReportSeal {
  readonly format: 'keyturn-report-signature/1';
  readonly run: string;
  /** SHA-256 of each file, in hex. */
  readonly files: Readonly<Record<string, string>>;
  /** Number of events in the history, and the last hash of their chain. */
  readonly history: { readonly events: number; readonly head: string };
}

export interface SignedSeal extends ReportSeal {
  /** Null: no key was given. The public key is DER (SubjectPublicKeyInfo) in base64. */
  readonly signature: {
    readonly algorithm: 'ed25519';
    readonly publicKey: string;
    readonly value: string;
  } | null;
}

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const sealSchema = z.strictObject({
  format: z.literal('keyturn-report-signature/1'),
  run: z.string(),
  files: z.record(z.string(), hash),
  history: z.strictObject({ events: z.number().int(), head: hash }),
  signature: z
    .strictObject({ algorithm: z.literal('ed25519'), publicKey: z.string(), value: z.string() })
    .nullable(),
});

/** @param files their contents by name */
export function sealReport(
  { run, history }: Report,
  files: Readonly<Record<string, string>>,
  key: KeyObject | null,
): SignedSeal {
  const seal: ReportSeal = {
    format: 'keyturn-report-signature/1',
    run: run.id,
    files: Object.fromEntries(Object.entries(files).map(([name, content]) => [name, sha256(content)])),
    history: { events: history.length, head: chainHead(run.id, history) },
  };
  if (key === null) return { ...seal, signature: null };
  const value = sign(null, signedBytes(seal), key).toString('base64');
  return { ...seal, signature: { algorithm: 'ed25519', publicKey: publicKeyText(key), value } };
}

/** Null: the text is not such a file. */
export function parseSeal(text: string): SignedSeal | null {
  try {
    return sealSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/** False: it was not made with the private key that belongs to `key`; with null, to the public key in the file. */
export function isSignedBy({ signature, ...seal }: SignedSeal, key: KeyObject | null): boolean {
  if (signature === null) return false;
  try {
    const der = Buffer.from(signature.publicKey, 'base64');
    const named = createPublicKey({ key: der, type: 'spki', format: 'der' });
    const value = Buffer.from(signature.value, 'base64');
    // Base64 has several spellings of the same bytes
    const isCanonical =
      publicKeyText(named) === signature.publicKey && value.toString('base64') === signature.value;
    if (!isCanonical || named.asymmetricKeyType !== 'ed25519') return false;
    if (key !== null && publicKeyText(key) !== signature.publicKey) return false;
    return verify(null, signedBytes(seal), named, value);
  } catch {
    return false;
  }
}

function publicKeyText(key: KeyObject): string {
  const shown = key.type === 'private' ? createPublicKey(key) : key;
  return shown.export({ type: 'spki', format: 'der' }).toString('base64');
}

/**
 * The last hash of a chain over the events of a run: each hash covers the one before it and the event, so that no event can
 * be removed, added, moved or changed without another head.
 */
export function chainHead(run: string, events: readonly RunEvent[]): string {
  return events.reduce(
    (before, { at, event, detail }) => sha256(`${before}\n${JSON.stringify([at, event, detail])}`),
    sha256(`keyturn-history/1\n${run}`),
  );
}

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function signedBytes({ format, run, files, history }: ReportSeal): Buffer {
  const sorted = Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(JSON.stringify([format, run, sorted, history.events, history.head]));
}
