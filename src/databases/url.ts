import { KeyturnError } from '../error.ts';
import type { TlsFiles } from '../tls.ts';

/** No message repeats the URL: it may contain a password. */
export function invalidUrl(message: string, more: { hint: string; cause?: unknown }): KeyturnError {
  return new KeyturnError('database-url', message, more);
}

/** @param shape what a URL of this engine looks like, for the hint */
export function partsOf(
  text: string,
  shape: string,
): { url: URL; query: (name: string) => string | undefined } {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined)
    throw invalidUrl('the database URL is malformed', {
      hint: `write it as ${shape}; percent-encode special characters of a password, or set KEYTURN_DATABASE_PASSWORD instead`,
    });
  return { url, query: (name) => url.searchParams.get(name) || undefined };
}

export function hostOf(url: URL): string {
  return decode(url.hostname).replace(/^\[(.*)\]$/, '$1');
}

/** The inverse of `hostOf`. The path of a folder with a socket stays as it is. */
export function hostText(host: string): string {
  return host.includes(':') && !host.startsWith('/') ? `[${host}]` : host;
}

/** `user@`, or an empty text. */
export function userText(user: string | undefined): string {
  return user === undefined ? '' : `${encodeURIComponent(user)}@`;
}

export function tlsFiles(files: Readonly<Record<keyof TlsFiles, string | undefined>>): TlsFiles {
  return Object.fromEntries(Object.entries(files).filter(([, path]) => path !== undefined));
}

export function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw invalidUrl('the database URL has an invalid % escape', { hint: 'write a literal % as %25', cause });
  }
}
