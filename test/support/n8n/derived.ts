import { createHash } from 'node:crypto';

/** The secrets that n8n derives from its instance key, as its published packages do it: no code of src. */
const hash = (text: string) => createHash('sha256').update(text);
const derive: Readonly<Record<string, (key: string) => string>> = {
  N8N_INSTANCE_ID: (key) => hash(key.slice(Math.round(key.length / 2))).digest('hex'),
  N8N_HMAC_SIGNATURE_SECRET: (key) => hash(`hmac-signature:${key}`).digest('hex'),
  N8N_USER_MANAGEMENT_JWT_SECRET: (key) =>
    hash([...key].filter((_, i) => i % 2 === 0).join('')).digest('hex'),
  N8N_BINARY_DATA_SIGNING_SECRET: (key) => hash(`url-signing:${key}`).digest('base64'),
};

export const derivedSettings = Object.keys(derive);

/** What an n8n without rows for them works with. */
export function secretsInUse(
  environment: Readonly<Record<string, string>>,
  key: string,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(derive).map(([setting, of]) => [setting, environment[setting] ?? of(key)]),
  );
}
