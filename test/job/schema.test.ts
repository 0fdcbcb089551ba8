import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { jobJsonSchema } from '../../src/job/schema.ts';

const jobs = new URL('../../jobs/', import.meta.url);

test('jobs/job.schema.json is up to date (otherwise: npm run build && node scripts/job-schema.mjs)', () => {
  const stored = JSON.parse(readFileSync(new URL('job.schema.json', jobs), 'utf8'));
  expect(stored).toEqual(JSON.parse(JSON.stringify(jobJsonSchema())));
});

test('the JSON Schema does not require fields with a default', () => {
  expect(jobJsonSchema()).toMatchObject({
    required: ['job', 'title', 'key', 'canary'],
    additionalProperties: false,
  });
});

test('jobs/README.md explains every field', () => {
  const text = readFileSync(new URL('README.md', jobs), 'utf8');
  const names = fieldNames(jobJsonSchema());
  expect(names.size).toBeGreaterThan(30);
  expect([...names].filter((name) => !new RegExp(`[\`{ ]${name}[\`:,} ]`).test(text))).toEqual([]);
});

function fieldNames(schema: unknown, names = new Set<string>()): Set<string> {
  if (typeof schema !== 'object' || schema === null) return names;
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties') for (const name of Object.keys(value as object)) names.add(name);
    fieldNames(value, names);
  }
  return names;
}
