import { describe, test } from '@jest/globals';
import { has, type Package } from './debian.ts';

/** Jest's `describe` and `test`. Where a package is missing they skip what they are given; global-setup.ts reports it. */
export function needing(...packages: readonly Package[]): { describe: typeof describe; test: typeof test } {
  if (packages.every(has)) return { describe, test };
  return { describe: describe.skip as typeof describe, test: test.skip as typeof test };
}
