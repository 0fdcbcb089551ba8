import type { Document } from './document.ts';
import { splice } from './splice.ts';

/** The whole value is one ciphertext. */
export const text: Document = {
  name: 'text',
  leaves(value) {
    return [{ path: '', text: value, start: 0, end: value.length }];
  },
  edit(value, edits) {
    return splice(value, edits, (newText) => newText);
  },
  read(value) {
    return [{ path: '', text: value }];
  },
  siblings() {
    return {};
  },
};
