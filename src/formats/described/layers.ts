import { base64Length } from '../base64.ts';
import { encodings } from '../encoding.ts';
import type { Layer } from './description.ts';

/** A text without its layers, or why it does not have them. `prefixed`: it had the first prefix. */
export interface Unwrapped {
  /** What each layer was around: the last is the content. */
  readonly contents: readonly string[];
  readonly failed: string | null;
  readonly prefixed: boolean;
}

/** Takes the layers off, from the outside in. Bytes are one character each. */
export function unwrap(layers: readonly Layer[], text: string): Unwrapped {
  const contents = [text];
  let prefixed = false;
  for (const layer of layers) {
    const outer = contents.at(-1) ?? '';
    const inner = without(layer, outer);
    if (inner === undefined) return { contents, failed: reason(layer, outer), prefixed };
    if (typeof layer === 'object' && 'prefix' in layer) prefixed = true;
    contents.push(inner);
  }
  return { contents, failed: null, prefixed };
}

/** @param like what the layers were around in the old value: its spelling (padding, case) is kept */
export function wrap(layers: readonly Layer[], content: string, like: readonly string[]): string {
  return layers.reduceRight((inner, layer, depth) => {
    if (typeof layer === 'object') return 'prefix' in layer ? layer.prefix + inner : inner + layer.suffix;
    return encodings[layer].encode(Buffer.from(inner, 'latin1'), like[depth] ?? '');
  }, content);
}

/** Length in characters of a content of that many bytes with its layers around it, at most. */
export function wrappedLength(layers: readonly Layer[], bytes: number): number {
  return layers.reduceRight((length, layer) => {
    if (typeof layer === 'object') return length + ('prefix' in layer ? layer.prefix : layer.suffix).length;
    return encodings[layer].length(length);
  }, bytes);
}

/**
 * With what every text begins whose content begins with these bytes: all characters of an encoding that do not depend on what
 * follows.
 */
export function wrappedBeginning(layers: readonly Layer[], content: Buffer): string {
  return layers.reduceRight((inner, layer) => {
    if (typeof layer === 'object') return 'prefix' in layer ? layer.prefix + inner : inner;
    const bytes = Buffer.from(inner, 'latin1');
    if (layer === 'hex') return bytes.toString('hex');
    const whole = base64Length(bytes.length - (bytes.length % 3));
    const rest = [0, 1, 2][bytes.length % 3] ?? 0;
    return bytes.toString(layer).slice(0, whole + rest);
  }, content.toString('latin1'));
}

function without(layer: Layer, text: string): string | undefined {
  if (typeof layer === 'string') return encodings[layer].decode(text)?.toString('latin1');
  if ('prefix' in layer) return text.startsWith(layer.prefix) ? text.slice(layer.prefix.length) : undefined;
  return text.endsWith(layer.suffix) ? text.slice(0, text.length - layer.suffix.length) : undefined;
}

function reason(layer: Layer, text: string): string {
  if (typeof layer === 'string') return `not canonical ${layer} (${text.length} characters)`;
  return 'prefix' in layer ? `does not begin with "${layer.prefix}"` : `does not end with "${layer.suffix}"`;
}
