import type { FixtureName } from './fixture.ts';
import { type Truth, truthOf } from './truth.ts';

/** Parts of a credential that are no secret and may well stand in an output. */
const open = new Set([
  'host',
  'port',
  'user',
  'database',
  'url',
  'baseUrl',
  'ssl',
  'scope',
  'token_type',
  'name',
  'connected',
]);
const shortest = 6;

/**
 * Every known secret string of at least 6 characters, as it is and as JSON would spell it: none may appear in any
 * output. `more`: other secrets, such as the new key.
 */
export function collectSecrets(fixture: Truth | FixtureName, more: readonly string[] = []): string[] {
  const truth = typeof fixture === 'string' ? truthOf(fixture) : fixture;
  const found = new Set<string>();
  const add = (text: string): void => {
    if (text.length < shortest) return;
    found.add(text);
    // A long one may be cut or wrapped: each of its lines counts.
    for (const line of text.split('\n')) if (line.length >= 20 && !line.startsWith('-----')) found.add(line);
    for (const spelled of [
      JSON.stringify(text),
      JSON.stringify(JSON.stringify(text).slice(1, -1)),
      ascii(text),
    ]) {
      found.add(spelled.slice(1, -1));
    }
  };
  const walk = (value: unknown): void => {
    if (typeof value === 'string') {
      add(value);
      const inner = parsed(value);
      if (inner !== undefined) walk(inner);
    } else if (Array.isArray(value)) {
      value.forEach(walk);
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, inner] of Object.entries(value)) if (!open.has(name)) walk(inner);
    }
  };
  for (const data of truth.credentials.values()) walk(data);
  for (const plain of truth.extras.values()) walk(plain);
  for (const [name, plain] of truth.deploymentKeys) if (!name.startsWith('instance.id:')) add(plain);
  for (const key of [truth.instanceKey, truth.legacyKey, ...more]) {
    add(key);
    found.add(Buffer.from(key, 'utf8').toString('base64'));
    found.add(Buffer.from(key, 'utf8').toString('hex'));
  }
  return [...found];
}

/** The secrets (shortened) that stand in the text; none is what a test wants. */
export function leaksIn(text: string, secrets: readonly string[]): string[] {
  return secrets
    .filter((secret) => text.includes(secret))
    .map((secret) => `${secret.slice(0, 8)}…(${secret.length})`);
}

function ascii(text: string): string {
  return JSON.stringify(text).replace(
    /[^ -~]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function parsed(text: string): unknown {
  if (!/^[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
