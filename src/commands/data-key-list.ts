import {
  type DataKey,
  type Dependents,
  findDependents,
  legacyAlgorithm,
  total,
} from '../inventory/keys/data-keys.ts';
import { count, thousands } from '../report/count.ts';
import { defineCommand } from './command.ts';
import { dataKeyOptions, findDataKeys } from './steps/data-keys.ts';
import { withDatabase } from './steps/opened.ts';

export const dataKeyList = defineCommand({
  words: ['data-key list'],
  describe: "list n8n's data keys, and how many values depend on each",
  epilogue: `Needs no key: each value names its data key. Values of the legacy key (aes-256-cbc) have no name; what begins like one is counted. Every text column of every table is searched.

Example:
  keyturn data-key list --database sqlite:database.sqlite`,
  options: dataKeyOptions,
  async run(context, args) {
    return withDatabase(context, args, async ({ database }) => {
      const { catalog, keys } = await findDataKeys(database, args);
      const dependents = await findDependents(database, catalog, keys);
      const listed = keys.map(({ value: _, ...key }) => {
        const of = dependents.get(key.id);
        return { ...key, values: total(of), places: Object.fromEntries(of ?? []) };
      });
      const text =
        keys.length === 0
          ? `there is no data key in ${database.place}\n`
          : keys.map((key) => linesFor(key, dependents.get(key.id))).join('');
      return { exitCode: 0, document: { dataKeys: listed }, text };
    });
  },
});

function linesFor(
  { id, algorithm, status, createdAt, updatedAt }: DataKey,
  of: Dependents | undefined,
): string {
  const legacy = algorithm === legacyAlgorithm ? ' (legacy)' : '';
  const places = [...(of ?? [])].map(([place, values]) => `  ${place}: ${thousands(values)}\n`);
  return [
    `${id}  ${algorithm}${legacy}, ${status}, created ${createdAt ?? '-'}, updated ${updatedAt ?? '-'}: ${count(total(of), 'value')}\n`,
    ...places,
  ].join('');
}
