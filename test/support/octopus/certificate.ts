import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  /** PKCS#12 with certificate and private key, and the empty password. */
  readonly pfx: Buffer;
  /** SHA-1 of the certificate, upper-case hex. */
  readonly thumbprint: string;
  readonly subject: string;
  readonly notAfter: Date;
}

export interface Certificates {
  /** The server's own, exported as .NET does up to 8: 3DES and SHA-1. */
  readonly server: Certificate;
  /** One that a user uploaded: AES and SHA-256. */
  readonly uploaded: Certificate;
}

let made: Certificates | undefined;

/** Real ones; made once per process, since an RSA key takes its time. */
export function certificates(): Certificates {
  made ??= {
    server: make('Octopus Portal', [
      ...['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES'],
      ...['-macalg', 'sha1'],
    ]),
    uploaded: make('shop.example.com', []),
  };
  return made;
}

function make(name: string, exporting: readonly string[]): Certificate {
  const dir = mkdtempSync(join(tmpdir(), 'keyturn-certificate-'));
  const file = (end: string) => join(dir, `certificate.${end}`);
  const openssl = (words: readonly string[]) =>
    execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    openssl([
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-sha256', '-days', '36500'],
      ...['-subj', `/CN=${name}`, '-keyout', file('key'), '-out', file('crt')],
    ]);
    writeFileSync(file('pem'), Buffer.concat([readFileSync(file('key')), readFileSync(file('crt'))]), {
      mode: 0o600,
    });
    openssl([
      ...['pkcs12', '-export', '-in', file('pem'), '-out', file('pfx')],
      ...['-passout', 'pass:', ...exporting],
    ]);
    const certificate = new X509Certificate(readFileSync(file('crt')));
    return {
      pfx: readFileSync(file('pfx')),
      thumbprint: certificate.fingerprint.replaceAll(':', ''),
      subject: certificate.subject,
      notAfter: new Date(certificate.validTo),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
