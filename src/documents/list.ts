import type { Document, Leaf } from './document.ts';
import { splice } from './splice.ts';

/** Ciphertexts separated by commas. An empty value is an empty list. */
export const list: Document = {
  name: 'list',
  leaves(value) {
    const leaves: Leaf[] = [];
    for (let start = 0; value !== '' && start <= value.length; ) {
      const comma = value.indexOf(',', start);
      const end = comma < 0 ? value.length : comma;
      leaves.push({ path: `[${leaves.length}]`, text: value.slice(start, end), start, end });
      start = end + 1;
    }
    return leaves;
  },
  edit(value, edits) {
    return splice(value, edits, (item) => {
      if (item.includes(',')) throw new RangeError('an item of a list cannot contain a comma');
      return item;
    });
  },
  *read(value) {
    if (value === '') return;
    for (const [index, item] of value.split(',').entries()) yield { path: `[${index}]`, text: item };
  },
  siblings() {
    return {};
  },
};
