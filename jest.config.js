/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, sourceMaps: 'inline' },
    ],
  },
  // The same library as in src/databases/sqlite/driver.ts
  moduleNameMapper:
    Number.parseInt(process.versions.node, 10) < 22 ? {} : { '^better-sqlite3$': 'better-sqlite3-node22' },
  testSequencer: '<rootDir>/test/support/longest-first.mjs',
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/\\.demo/'],
  // Tests start real servers and processes, which need the other processors.
  maxWorkers: 2,
  // Long, because a test that waits for a condition must not fail on a busy machine.
  testTimeout: 180_000,
};
