import type { Inventory } from '../checkpoint/run.ts';
import type { Decision } from '../job/job.ts';
import { placeText } from '../job/place.ts';

/**
 * Places where some values open and others, which look sealed too, do not: more likely values under another key than
 * somebody else's text of the same shape. Sentences; a place that was decided to be left behind has none.
 */
export function sealedOtherwise(
  { places = [] }: Pick<Inventory, 'places'>,
  decisions: readonly Decision[] = [],
): string[] {
  return places.flatMap(({ table, column, path, values, lookAlikes }) => {
    const place = placeText(table, column, path);
    const opened = Object.values(values).reduce((sum, n) => sum + n, 0);
    const left = decisions.some((decision) => decision.place === place && decision.as === 'leave');
    if (opened === 0 || lookAlikes === 0 || left) return [];
    const [closed, them] = lookAlikes === 1 ? ['1 value looks', 'it'] : [`${lookAlikes} values look`, 'them'];
    return [
      `in ${place} ${closed} sealed, but no key given opens ${them}; ${opened} beside ${them} open${opened === 1 ? 's' : ''}`,
    ];
  });
}
