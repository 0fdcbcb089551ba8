import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Places } from './places.ts';
import { Stage } from './stage.ts';

const oldKey = 'the old instance key';
const newKey = 'the new instance key';

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

test('a chunk that an outdated worker failed because of mixed keys is tried again with all keys', async () => {
  const place = await places.many('sqlite', 30, oldKey);
  const scene = { options: { tryAllKeys: true } };
  const stage = places.closing(await Stage.open(place, oldKey, newKey, scene));
  // What a worker writes that read the run before all keys had to be tried
  const failed =
    "update keyturn_chunk set state = 'failed', error_code = 'mixed-keys', error = '' where chunk = 2";
  const { error, run } = await stage.finish({
    meddling: [{ step: 'find', chunk: 1, times: [[`${failed} and state = 'planned'`]] }],
  });
  expect(error).toBeUndefined();
  expect(run.state).toBe('verified');
});
