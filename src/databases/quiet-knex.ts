/**
 * Settings of knex for every engine: bindings in an error's message would be ciphertexts (invariant 9), and errors are
 * thrown, not printed.
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
