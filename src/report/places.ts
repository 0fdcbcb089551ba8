import type { Rules } from '../job/job.ts';
import { thousands } from './count.ts';
import { bullets, table, wrap } from './layout.ts';

/** Where a job that goes by shape found strings of its formats, before the first change, and what decided over them. */
export interface Places extends Rules {
  readonly found: readonly {
    /** Table.Column.path, with [] for array items. */
    readonly place: string;
    readonly document: string;
    readonly format: string;
    readonly values: number;
    readonly undecided: number;
    readonly lookAlikes: number;
    readonly exceptions: number;
  }[];
  /** Places where some values open, and others look sealed and do not; sentences. */
  readonly sealedOtherwise: readonly string[];
}

export function placesSection({ sensitive, decisions, certain, found, sealedOtherwise }: Places): string[] {
  const known = [
    ...sensitive.map((rule) =>
      'place' in rule
        ? rule.place
        : `beside ${Object.entries(rule.sibling)
            .map(([name, value]) => `${name}: ${String(value)}`)
            .join(', ')}`,
    ),
    ...certain.map((place) => `${place} (all of many values open)`),
    ...decisions.map(({ place, as }) => `${place} (decided: ${as})`),
  ];
  return [
    ...wrap("What decides over a string of ciphertext's shape, in this order:"),
    ...bullets([
      'it opens, as text, a certificate or a private key: rotated',
      `in a known sensitive place it is rotated if it opens, else an exception. Known: ${known.length === 0 ? 'none' : known.join('; ')}`,
      'it does not open: a look-alike, left as it is',
      'it opens as something else (chance is 1 in 255): undecided, left as it is',
    ]),
    '',
    ...table(
      ['place', 'in', 'values', 'undecided', 'look-alikes', 'do not open'],
      found.map(({ place, document, values, undecided, lookAlikes, exceptions }) => [
        place,
        document === 'text' ? 'whole' : document === 'gzip' ? 'gzip' : 'text',
        ...[values, undecided, lookAlikes, exceptions].map(thousands),
      ]),
      'left',
    ),
    ...(sealedOtherwise.length === 0 ? [] : ['', ...bullets(sealedOtherwise.map((each) => `${each}.`))]),
  ];
}
