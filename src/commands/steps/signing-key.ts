import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { KeyturnError } from '../../error.ts';
import { readPlainFile } from '../../plain-file.ts';

/** Of --sign-key. Throws `bad-option` if the file holds no Ed25519 private key without a passphrase. */
export function privateKeyOf(path: string): KeyObject {
  return ed25519(path, 'private', (pem) => createPrivateKey(pem));
}

/** Of --verify-key. A private key stands for its public key. */
export function publicKeyOf(path: string): KeyObject {
  return ed25519(path, 'public', (pem) => createPublicKey(pem));
}

function ed25519(path: string, kind: string, parse: (pem: Buffer) => KeyObject): KeyObject {
  try {
    const key = parse(readPlainFile(path, { maxBytes: 64 * 1024, pipes: false, virtual: true }).bytes);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // Whatever is wrong with it, the same key file helps
  }
  throw new KeyturnError('bad-option', `${path} is not an Ed25519 ${kind} key in PEM`, {
    hint:
      kind === 'private'
        ? 'make one with: openssl genpkey -algorithm ed25519 -out sign.pem'
        : 'make it from the private key with: openssl pkey -in sign.pem -pubout -out verify.pem',
  });
}
