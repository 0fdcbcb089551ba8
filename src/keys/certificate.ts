import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createRequire } from 'node:module';
import type Forge from 'node-forge';

let loaded: typeof Forge | undefined;
/** Loaded when it is needed: most processes and threads never see a PKCS#12 file. */
function forge(): typeof Forge {
  loaded ??= createRequire(import.meta.url)('node-forge') as typeof Forge;
  return loaded;
}

const sequence = 0x30;
/** https://www.rfc-editor.org/rfc/rfc7292: PFX ::= SEQUENCE { version INTEGER {v3(3)}, authSafe ContentInfo, … } */
const pkcs7 = /^1\.2\.840\.113549\.1\.7\./;

/** Whether bytes are a certificate (X.509, DER), a PKCS#12 file, or a private key (DER). Needs no password. */
export function isCertificateOrKey(bytes: Buffer): boolean {
  if (bytes[0] !== sequence) return false;
  return isX509(bytes) || isPrivateKey(bytes) || isPkcs12(bytes);
}

/**
 * SHA-1 thumbprints, upper-case hex, of the certificates in a PKCS#12 file, or of an X.509 certificate (DER or PEM).
 * Either may be base64-encoded. Empty if the bytes are neither, or if no password decrypts them.
 *
 * @param passwords to try after no password and the empty one
 */
export function thumbprintsIn(plain: Buffer, passwords: readonly string[]): string[] {
  for (const bytes of [plain, Buffer.from(plain.toString('latin1'), 'base64')]) {
    if (isX509(bytes)) return [thumbprint(bytes)];
    if (bytes[0] === sequence && isPkcs12(bytes)) return certificatesOf(bytes, passwords).map(thumbprint);
  }
  return [];
}

function certificatesOf(bytes: Buffer, passwords: readonly string[]): Buffer[] {
  const asn1 = forge().asn1.fromDer(bytes.toString('latin1'));
  for (const password of [undefined, '', ...passwords]) {
    try {
      const bags = forge()
        .pkcs12.pkcs12FromAsn1(asn1, password)
        .getBags({ bagType: forge().pki.oids.certBag });
      return (bags[forge().pki.oids.certBag ?? ''] ?? []).flatMap((bag) => {
        // node-forge parses RSA certificates only, and returns all others as raw ASN.1
        const parsed = bag.cert === undefined ? bag.asn1 : forge().pki.certificateToAsn1(bag.cert);
        return parsed === undefined ? [] : [Buffer.from(forge().asn1.toDer(parsed).getBytes(), 'latin1')];
      });
    } catch {
      // Wrong password: try the next one
    }
  }
  return [];
}

function thumbprint(certificate: Buffer): string {
  return new X509Certificate(certificate).fingerprint.replaceAll(':', '');
}

function isX509(bytes: Buffer): boolean {
  try {
    return new X509Certificate(bytes).fingerprint !== '';
  } catch {
    return false;
  }
}

function isPrivateKey(bytes: Buffer): boolean {
  return (['pkcs8', 'pkcs1', 'sec1'] as const).some((type) => {
    try {
      return createPrivateKey({ key: bytes, format: 'der', type }).type === 'private';
    } catch {
      return false;
    }
  });
}

function isPkcs12(bytes: Buffer): boolean {
  try {
    const { value } = forge().asn1.fromDer(bytes.toString('latin1'));
    const content = Array.isArray(value) ? value[1] : undefined;
    const oid = Array.isArray(content?.value) ? content.value[0] : undefined;
    return oid?.type === forge().asn1.Type.OID && pkcs7.test(forge().asn1.derToOid(String(oid.value)));
  } catch {
    return false;
  }
}
