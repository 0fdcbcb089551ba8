import { type AesGcmLayout, partOf } from '../aes-gcm-layout.ts';
import type { CipherName } from './cipher.ts';
import type { DescriptionFile, KeyStep, PieceText } from './description.ts';

/** A layout of AES-GCM as a description, which can say more: additional data that depends on the row. */
export function fromAesGcm(layout: AesGcmLayout): DescriptionFile {
  const { prefix, separator, aad } = layout;
  const encoding = layout.encoding as Exclude<typeof layout.encoding, 'pack-m'>;
  const pieces = layout.layout.map((text) => {
    const { name, bytes } = partOf(text);
    return [name === 'nonce' ? 'iv' : name, ...(bytes === null ? [] : [bytes])].join(' ');
  });
  const parts: PieceText[] = separator === '' ? pieces : pieces.map((piece) => `${piece} ${encoding}`);
  return {
    name: 'aes-gcm',
    layers: [
      ...(prefix === '' ? [] : [{ prefix }]),
      ...(separator === '' && encoding !== 'raw' ? [encoding] : []),
    ],
    ...(separator === '' ? { parts } : { separated: { by: separator, parts } }),
    cipher: typeof layout.key === 'object' ? cipherFor(layout.key.hkdf.bytes) : 'aes-256-gcm',
    key: keyOf(layout.key),
    aad,
  };
}

function cipherFor(keyBytes: number): CipherName {
  return keyBytes === 16 ? 'aes-128-gcm' : keyBytes === 24 ? 'aes-192-gcm' : 'aes-256-gcm';
}

function keyOf(key: AesGcmLayout['key']): KeyStep[] {
  if (key === 'raw') return [];
  return key === 'sha256' ? ['utf8', 'sha256'] : [{ hkdf: key.hkdf }];
}
