import type { Inventory } from '../checkpoint/run.ts';
import type { Decision } from '../job/job.ts';
import { placeText } from '../job/place.ts';

/**
 * Places where some values can be decrypted and others look encrypted but cannot: more likely values of another key than
 * other text of the same shape. As sentences; none for a place that --decide leaves unchanged.
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
      `${place}: ${closed} encrypted, but none of the given keys decrypts ${them}; ${opened} other${opened === 1 ? '' : 's'} there can be decrypted`,
    ];
  });
}
