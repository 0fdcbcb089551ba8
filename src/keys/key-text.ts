import { randomBytes } from 'node:crypto';
import { KeyturnError } from '../error.ts';
import { Key } from './key.ts';
import type { KeyEncoding, KeyShape, KeyShapes } from './key-shape.ts';

/**
 * Parses one key or, as the application's configuration writes several, a list with commas between them: the first is the
 * current key, the others are older ones. Each counts once.
 *
 * @param from where the text came from, for the error message.
 * @throws KeyturnError `key-shape`; the error never contains the text.
 */
export function parseKeys(
  text: string,
  shape: KeyShape,
  from = 'the key',
): { readonly key: Key; readonly others: readonly Key[] } {
  const items = isListed(shape)
    ? trimKey(text, shape)
        .split(',')
        .filter((item) => item.trim() !== '')
    : [text];
  const place = (at: number): string => (items.length === 1 ? from : `key ${at + 1} in ${from}`);
  const keys = items.map((item, at) => parseKey(item, shape, place(at)));
  const [key = parseKey(text, shape, from), ...others] = keys.filter(
    (each, at) => keys.findIndex((known) => known.equals(each)) === at,
  );
  return { key, others };
}

function isListed({ form, list }: KeyShape): boolean {
  return form !== 'text' || list === true;
}

/**
 * Parses the text form of a key, after removing what the application itself strips.
 *
 * @param from where the text came from, for the error message.
 * @throws KeyturnError `key-shape`; the error never contains the text.
 */
export function parseKey(text: string, shape: KeyShape, from = 'the key'): Key {
  const value = trimKey(text, shape);
  if (value === '') throw new KeyturnError('key-shape', `${from} is empty`);
  if (isListed(shape) && value.includes(','))
    throw new KeyturnError('key-shape', `${from} is a list of keys, expected one key`, {
      hint: 'remove the older keys and the commas',
    });
  if (shape.form === 'text') return Key.fromText(value);
  const bytes = Buffer.from(value, shape.form);
  // Node's decoder skips invalid characters; only text that encodes back to itself is valid base64 or hex.
  const spelled = canonical(value, shape.form);
  const same =
    spelled === written(bytes, shape.form) ||
    (shape.form === 'base64url' && spelled === bytes.toString('base64url'));
  if (!same)
    throw new KeyturnError('key-shape', `${from} is not valid ${shape.form}`, { hint: sizeHint(shape) });
  if (shape.bytes !== undefined && !shape.bytes.includes(bytes.length)) {
    throw new KeyturnError('key-shape', `${from} is a ${bytes.length}-byte key`, {
      hint: sizeHint(shape),
    });
  }
  return Key.fromBytes(bytes, value);
}

/** Python's urlsafe_b64decode, which reads Fernet keys, takes the standard alphabet too. */
function canonical(text: string, encoding: KeyEncoding): string {
  if (encoding === 'hex') return text.toLowerCase();
  return encoding === 'base64url' ? text.replaceAll('+', '-').replaceAll('/', '_') : text;
}

/** Generates a random key of this shape. */
export function generateKey(shape: KeyShape): Key {
  const bytes = randomBytes(shape.generate.bytes);
  const text = written(bytes, shape.generate.as);
  return shape.form === 'text'
    ? Key.fromText(`${shape.generate.prefix ?? ''}${text}`)
    : Key.fromBytes(bytes, text);
}

/** New keys in the place of these; those that stay are kept. */
export function generateKeys({ key: shape, keys = {} }: KeyShapes, current: Key): Key {
  const parts = Object.entries(keys).flatMap(([name, each]) => {
    const part = each.stays === true ? current.parts.get(name) : generateKey(each);
    return part === undefined ? [] : [[name, part] as const];
  });
  return generateKey(shape).with(new Map(parts));
}

/** Node omits the padding of base64url; Python's decoder rejects it without. */
function written(bytes: Buffer, encoding: KeyEncoding): string {
  const text = bytes.toString(encoding);
  return encoding === 'base64url' ? text.padEnd(4 * Math.ceil(bytes.length / 3), '=') : text;
}

/** Removes what the application itself strips from a key. */
export function trimKey(text: string, shape: KeyShape): string {
  if (shape.trim === 'none') return text;
  const value = text.trim();
  if (shape.trim === 'space') return value;
  const quote = value.at(0);
  const quoted = value.length >= 2 && (quote === '"' || quote === "'") && value.endsWith(quote);
  return quoted ? value.slice(1, -1) : value;
}

function sizeHint(shape: KeyShape): string {
  const sizes = shape.bytes === undefined ? '' : ` of ${shape.bytes.join(' or ')} bytes`;
  return `expected a key${sizes}, encoded as ${shape.form}`;
}
