/**
 * What every engine's knex is told: bindings in an error's message would be ciphertexts (invariant 9), and what goes
 * wrong is thrown, not printed.
 */
export const quietKnex = {
  compileSqlOnError: false,
  log: {
    warn: () => undefined,
    error: () => undefined,
    debug: () => undefined,
    deprecate: () => undefined,
  },
};
