import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import { KeyturnError } from './error.ts';

/** Paths of PEM files. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The URL that names the files, for the error. */
type Url = 'database' | 'queue';

/** The PEM texts of the files. */
export async function readTls(
  files: TlsFiles,
  url: Url,
): Promise<{ ca?: string; cert?: string; key?: string }> {
  const entries = Object.entries(files) as [keyof TlsFiles, string][];
  return Object.fromEntries(
    await Promise.all(entries.map(async ([name, path]) => [name, await pem(path, url)] as const)),
  );
}

async function pem(path: string, url: Url): Promise<string> {
  return readFile(path, 'utf8').catch((cause) => {
    throw new KeyturnError(`${url}-url`, `cannot read ${path}, which the ${url} URL names`, { cause });
  });
}

/** https://www.postgresql.org/docs/current/libpq-ssl.html */
export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

/**
 * What the modes mean to libpq, not to the driver, which verifies the certificate under `require` too. `false`: no TLS.
 * Under `prefer`, the caller tries again without TLS where the server `lacksTls`.
 */
export async function postgresTls(
  mode: SslMode,
  files: TlsFiles,
  url: Url,
): Promise<ConnectionOptions | false> {
  if (mode === 'disable' || mode === 'allow') return false;
  return {
    rejectUnauthorized: mode === 'verify-ca' || mode === 'verify-full' || files.ca !== undefined,
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(await readTls(files, url)),
  };
}

/** The driver's error, or one caused by it, for a PostgreSQL server without TLS; it has no code. */
export function lacksTls(error: unknown): boolean {
  const { message, cause } = error as { message?: unknown; cause?: unknown };
  return /does not support SSL/.test(String(message)) || (cause instanceof Error && lacksTls(cause));
}
