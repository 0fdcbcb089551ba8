import base from './jest.config.js';

/** `npm run test:faults`: faults at random, and again and again. It takes about an hour. */
/** @type {import('jest').Config} */
export default {
  ...base,
  testMatch: ['<rootDir>/test/{faults,damage,hang}/*.faults.ts'],
  maxWorkers: 1,
};
