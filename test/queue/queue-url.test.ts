import { describe, expect, test } from '@jest/globals';
import type { KeyturnError } from '../../src/error.ts';
import { describeQueueUrl, parseQueueUrl } from '../../src/queue/queue-url.ts';

const described = [
  ['redis://localhost', 'redis://localhost:6379'],
  ['redis://:hunter2@localhost:7000/3', 'redis://localhost:7000/3'],
  ['rediss://me:hunter%402@[::1]:7000?ca=/ca.pem&prefix=a', 'rediss://me@[::1]:7000'],
  ['redis+sentinel://me:hunter2@a,b:27000/main?db=2', 'redis+sentinel://me@a:26379,b:27000/main'],
  ['rediss+cluster://a,b:7001', 'rediss+cluster://a:6379,b:7001'],
  [
    'postgres://me:hunter2@host:5433/app?schema=n8n&sslmode=require',
    'postgres://me@host:5433/app?queueSchema=keyturn_queue',
  ],
  ['postgresql://host/app?queueSchema=q', 'postgres://host/app?queueSchema=q'],
] as const;

const wrong = [
  ['hunter2', /malformed/],
  ['amqp://hunter2@host', /unknown queue engine amqp/],
  ['redis://hunter2@', /malformed host/],
  ['redis://a,b', /several hosts/],
  ['redis://host/hunter2', /not a number/],
  ['redis://host?hunter2=1', /unknown parameter/],
  ['redis://host?ca=hunter2', /without TLS/],
  ['redis://host?prefix=hunter2%20x', /may contain only/],
  ['redis://u:%hunter2@host', /invalid %/],
  ['redis+sentinel://host', /no name of the Sentinel master/],
  ['redis+cluster://host/1', /only database 0/],
  ['postgres://host/db?queueSchema=Hunter2', /plain lower-case/],
  ['postgres://host/db?schema=hunter2&queueSchema=hunter2', /its own/],
  ['postgres://host/db?sslmode=hunter2', /sslmode/],
] as const;

describe('queue URLs', () => {
  test.each(described)('%s', (url, place) => {
    expect(describeQueueUrl(parseQueueUrl(url))).toBe(place);
  });

  test.each(wrong)('%s is refused, and the message does not repeat it', (url, message) => {
    let error: KeyturnError | undefined;
    try {
      parseQueueUrl(url);
    } catch (thrown) {
      error = thrown as KeyturnError;
    }
    expect(error).toMatchObject({ code: 'queue-url', exitCode: 2, message: expect.stringMatching(message) });
    expect(`${error?.message} ${error?.hint}`).not.toMatch(/hunter2/i);
  });

  test('the parts are decoded, and the prefix of a cluster is a hash tag', () => {
    expect(parseQueueUrl('rediss://me:hun%40ter2@h:1/2?ca=/ca.pem&prefix=a')).toMatchObject({
      layout: 'single',
      hosts: [{ host: 'h', port: 1 }],
      user: 'me',
      password: 'hun@ter2',
      database: 2,
      tls: { ca: '/ca.pem' },
      prefix: 'a',
    });
    expect(parseQueueUrl('redis+cluster://h?prefix=a')).toMatchObject({ prefix: '{a}' });
    expect(parseQueueUrl('redis+cluster://h?prefix={b}c')).toMatchObject({ prefix: '{b}c' });
    expect(parseQueueUrl('redis://h')).toMatchObject({ prefix: 'keyturn', tls: null, password: undefined });
  });
});
